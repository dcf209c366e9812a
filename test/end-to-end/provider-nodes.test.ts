import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { gatewayEnvironment } from "../support/gateway-environment.ts";
import { type GatewayProcess, runMain } from "../support/gateway-process.ts";
import { breaches, openProcessScene, subscribe } from "../support/process-scene.ts";
import { ACME_KEY, acmeDefinition, OTHER_RULES } from "./provider-scene.ts";

/** Enough that each of two nodes owns some of them. */
const JOBS_EACH = 8;

test(
  "jobs keep their version when another node takes them over that never knew it",
  { timeout: 240_000 },
  async (context) => {
    const { upstream, receiver, sql, start } = await openProcessScene(context);
    const [one, two] = await Promise.all([start(), start()]);
    const put = (definition: object) => one.api("PUT", "/v1/providers/acme", definition);
    await put(acmeDefinition(upstream.origin));
    // In the next request, at the other node.
    const connection = { provider: "acme", name: "of-the-scene", credential: ACME_KEY };
    expect((await two.api("POST", "/v1/connections", connection)).status).toBe(201);
    const begin = async (prefix: string, nodes: readonly GatewayProcess[]): Promise<string[]> => {
      const jobIds = Array.from({ length: JOBS_EACH }, (_, number) => `${prefix}-${number}`);
      for (const jobId of jobIds) upstream.answer(jobId, pulseAnswer.processing());
      await Promise.all(
        jobIds.map((jobId, index) => {
          const node = nodes[index % nodes.length] ?? one;
          return subscribe(node, receiver, jobId, { provider: "acme" });
        }),
      );
      await Promise.all(jobIds.map((jobId) => upstream.polled(jobId, 1)));
      return jobIds;
    };
    const older = await begin("older", [one, two]);
    expect((await put(acmeDefinition(upstream.origin, OTHER_RULES))).status).toBe(200);
    await two.until("/v1/providers/acme", ({ version }) => version === 2);
    const three = await start();
    await Promise.all([one.stop(), two.stop()]);
    const newer = await begin("newer", [three]);
    for (const jobId of [...older, ...newer]) upstream.answer(jobId, pulseAnswer.completed());
    for (const jobId of [...older, ...newer]) {
      const { event } = await receiver.takeOne(`/${jobId}`);
      const expected = older.includes(jobId) ? "job.completed" : "job.failed";
      expect([jobId, event.type]).toEqual([jobId, expected]);
    }
    expect(await breaches(sql)).toEqual([]);
  },
);

test("a start is refused while definitions in files are wrong: all mistakes at once, with exit code 1", async ({
  onTestFinished,
}) => {
  const { url, drop } = await createTestDatabase();
  onTestFinished(drop);
  const folder = mkdtempSync(join(tmpdir(), "ringback-test-providers-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const good = { ...acmeDefinition("https://api.example.com"), name: "acme" };
  writeFileSync(join(folder, "acme.json"), JSON.stringify({ ...good, rules: [], retries: 3 }));
  writeFileSync(join(folder, "broken.json"), "{");
  writeFileSync(
    join(folder, "inwards.json"),
    JSON.stringify({ ...good, base_url: "http://10.0.0.1" }),
  );
  const env = { ...gatewayEnvironment(url), RINGBACK_PROVIDERS_DIR: folder };
  const { code, output } = await runMain(env).exit;
  expect(code).toBe(1);
  const lines = output.trimEnd().split("\n");
  expect(lines[0]).toBe(`Ringback can't start: 4 mistakes in RINGBACK_PROVIDERS_DIR, ${folder}.`);
  expect(lines.slice(1)).toEqual([
    expect.stringMatching(/^ {2}acme\.json \/rules: Must not be empty/),
    expect.stringMatching(/^ {2}acme\.json \/retries: This field is unknown/),
    expect.stringMatching(/^ {2}broken\.json: It is not JSON at line 1, column 2/),
    expect.stringMatching(
      /^ {2}inwards\.json \/base_url: 10\.0\.0\.1 is an address that is not public/,
    ),
  ]);
});
