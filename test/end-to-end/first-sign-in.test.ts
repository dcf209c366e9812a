import { expect, onTestFinished, test } from "vitest";
import { describeProblems, loadConfig } from "../../src/config.ts";
import { startGateway, type StartedGateway } from "../../src/gateway/gateway.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { systemRandom } from "../../src/runtime/runtime.ts";
import { createTestDatabase } from "../support/database.ts";
import { gatewayEnvironment } from "../support/gateway-environment.ts";
import { ShiftedClock } from "../support/test-gateway.ts";

const PREFIX = "/tools/ringback";

async function start(
  environment: Readonly<Record<string, string>>,
  logged: string[],
): Promise<StartedGateway> {
  const given = Object.entries(environment).filter(([name]) => name !== "RINGBACK_API_KEY");
  const result = loadConfig(Object.fromEntries(given), false);
  if (result.kind === "invalid") throw new Error(describeProblems(result.problems));
  const { config } = result;
  const destination = { write: (line: string) => void logged.push(line) };
  const log = createLog({ ...config.log, destination });
  const clock = new ShiftedClock();
  return startGateway({ config, clock, random: systemRandom, log, version: "1.2.3-test" });
}

test("the first start without a key has a link that signs in once, and no later start has one", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const env = gatewayEnvironment(database.url, {
    RINGBACK_PUBLIC_URL: `http://gateway.test${PREFIX}`,
  });
  const logged: string[] = [];
  const gateway = await start(env, logged);
  const link = gateway.console?.signInUrl ?? "";
  expect(link).toMatch(/^http:\/\/gateway\.test\/tools\/ringback\/console\/sign-in\/[\w-]{32}$/);
  const path = new URL(link).pathname.slice(PREFIX.length);
  const open = (): Promise<Response> => fetch(gateway.url + path, { redirect: "manual" });
  const first = await open();
  expect(first.status).toBe(303);
  const cookie = first.headers.get("set-cookie")?.split(";")[0] ?? "";
  const page = await fetch(`${gateway.url}/console/api-keys`, { headers: { cookie } });
  expect(await page.text()).toContain("API keys");
  expect((await open()).status).toBe(403);
  await gateway.stop();

  const second = await start(env, logged);
  expect(second.console).toMatchObject({ signInUrl: null });
  await second.stop();
  // The log has neither the link nor the key.
  expect(logged.length).toBeGreaterThan(0);
  expect(logged.join("")).not.toContain(path.slice("/console/sign-in/".length));
  expect(logged.join("")).not.toContain(gateway.generatedApiKey);
}, 120_000);
