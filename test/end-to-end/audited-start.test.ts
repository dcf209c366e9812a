import { randomBytes } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

const started: TestGateway[] = [];
afterEach(async () => {
  for (const gateway of started.splice(0).toReversed()) await gateway.discard();
});

test("the audit log has what a start changes, and nothing of one that changes nothing", async () => {
  const settings = {
    RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    PULSE_API_KEY: "pulse-key-of-the-first-start",
  };
  const start = async (changes: Readonly<Record<string, string>> = {}) => {
    const gateway = await startTestGateway({ ...settings, ...changes });
    started.push(gateway);
    const { data } = (await gateway.api("GET", "/v1/audit-log?limit=100")).body;
    for (const entry of data) {
      expect(entry).toMatchObject({ actor: { kind: "operator", command: "start" }, address: null });
    }
    expect(JSON.stringify(data)).not.toContain("pulse-key-of");
    const actions: string[] = data.map(({ action }: { action: string }) => action);
    return { gateway, actions: actions.toSorted() };
  };
  const first = await start();
  const atFirst = [
    "api_key.created",
    "connection.changed",
    "signing_key.rotated",
    "signing_secret.rotated",
  ];
  expect(first.actions).toEqual(atFirst);
  await first.gateway.stop();
  const same = { DATABASE_URL: first.gateway.databaseUrl };
  const second = await start(same);
  expect(second.actions).toEqual(atFirst);
  await second.gateway.stop();
  const third = await start({ ...same, PULSE_API_KEY: "pulse-key-of-the-third-start" });
  expect(third.actions).toEqual([...atFirst, "connection.changed"].toSorted());
}, 120_000);

test("a bootstrap key that was revoked is refused after a restart too, though the environment still names it", async () => {
  const settings = { RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64") };
  const first = await startTestGateway(settings);
  started.push(first);
  const { body: spare } = await first.api("POST", "/v1/api-keys", {
    name: "spare",
    scopes: ["admin"],
  });
  const withSpare = { authorization: `Bearer ${spare.key}` };
  const { data: keys } = (await first.api("GET", "/v1/api-keys")).body;
  const { id } = keys.find(({ name }: { readonly name: string }) => name === "bootstrap");
  expect((await first.api("DELETE", `/v1/api-keys/${id}`, undefined, withSpare)).status).toBe(204);
  await first.stop();
  const second = await startTestGateway({ ...settings, DATABASE_URL: first.databaseUrl });
  started.push(second);
  expect((await second.api("GET", "/v1/project", undefined, withSpare)).status).toBe(200);
  expect((await second.api("GET", "/v1/project")).status).toBe(401);
}, 120_000);
