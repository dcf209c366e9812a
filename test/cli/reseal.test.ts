import { randomBytes } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { runReseal, type ResealOutcome } from "../../src/cli/operator/reseal.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { createSecretBox } from "../../src/runtime/secrets/secret-box.ts";
import { openDatabase } from "../../src/store/db/database.ts";
import { replaceSealed, SEALED_COLUMNS } from "../../src/store/schema/sealed-columns.ts";
import { startFakeUpstream, pulseAnswer } from "../support/fake-upstream.ts";
import { gatewayEnvironment, SIGNING_SECRET } from "../support/gateway-environment.ts";
import { quietLog } from "../support/quiet-log.ts";
import { startReceiver } from "../support/receiver.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

const OLD_KEY = randomBytes(32);
const NEW_KEY = randomBytes(32);
const [OLD_ID = ""] = createSecretBox([OLD_KEY]).keyIds;
const [NEW_ID = ""] = createSecretBox([NEW_KEY]).keyIds;
const OWN_SECRET = `whsec_${randomBytes(32).toString("base64")}`;
/** More than a page of subscriptions in one shard, as all are of one job. */
const SUBSCRIPTIONS = 210;

const toClose: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

function ring(...keys: readonly Buffer[]): string {
  return keys.map((key) => key.toString("base64")).join(",");
}

async function startWith(keys: string, databaseUrl?: string): Promise<TestGateway> {
  const gateway = await startTestGateway({
    RINGBACK_ENCRYPTION_KEYS: keys,
    RINGBACK_CALLBACK_TIMEOUT_MS: "20000",
    ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
  });
  toClose.push(() => gateway.discard());
  return gateway;
}

function reseal(databaseUrl: string, keys: string, dryRun: boolean): Promise<ResealOutcome> {
  const env = gatewayEnvironment(databaseUrl, { RINGBACK_ENCRYPTION_KEYS: keys });
  const loaded = loadConfig(env, false);
  if (loaded.kind === "invalid") throw new Error("the settings of the test are wrong");
  const log = createLog({ level: "silent", format: "json" });
  return runReseal({ dryRun }, loaded.config, log);
}

test("a key is retired while a gateway runs, and everything sealed before is used under the new key alone", async () => {
  const upstream = await startFakeUpstream();
  toClose.push(() => upstream.close());
  const receiver = await startReceiver(OWN_SECRET);
  toClose.push(() => receiver.close());
  upstream.answer("job", pulseAnswer.processing());
  const first = await startWith(ring(OLD_KEY));
  const connection = { provider: "pulse", credential: "upstream-key", base_url: upstream.origin };
  expect((await first.api("POST", "/v1/connections", connection)).status).toBe(201);
  const subscription = (number: number) => ({
    job_id: "job",
    callback_url: receiver.url(`/${number}`),
    secret: OWN_SECRET,
    headers: { "x-number": String(number) },
  });
  const items = Array.from({ length: SUBSCRIPTIONS }, (_, number) => subscription(number));
  const accepted = await first.api("POST", "/v1/subscriptions/batch", { subscriptions: items });
  expect(accepted.body.results.every((item: { status: number }) => item.status === 201)).toBe(true);
  await first.stop();

  const both = ring(NEW_KEY, OLD_KEY);
  const second = await startWith(both, first.databaseUrl);
  const before = await reseal(first.databaseUrl, both, true);
  expect(before.allUnderFirstKey).toBe(false);
  expect(before.text).toMatch(new RegExp(`^subscriptions\\.secret +${OLD_ID} +210$`, "m"));
  // A credential, the two signing secrets of the project, 210 secrets and 210 headers.
  expect(before.text).toContain(`Key ${NEW_ID} encrypts: 0 secrets are under it.`);
  expect(before.text).toContain(`Key ${OLD_ID} only decrypts: 423 secrets are under it.`);

  const after = await reseal(first.databaseUrl, both, false);
  expect(after.allUnderFirstKey).toBe(true);
  expect(after.text).toContain(`423 secrets were encrypted again, under key ${NEW_ID}.`);
  expect(after.text).toContain(`Key ${OLD_ID} only decrypts: 0 secrets are under it.`);
  expect((await reseal(first.databaseUrl, both, false)).text).toContain("0 secrets were encrypted");
  // One entry for the run that changed something, none for the others.
  const { data: audit } = (await second.api("GET", "/v1/audit-log?limit=100")).body;
  const resealed = audit.filter(({ action }: { action: string }) => action === "secrets.resealed");
  expect(resealed).toMatchObject([
    {
      actor: { kind: "operator", command: "reseal" },
      address: null,
      details: { secrets_of_all_projects: 423, key: NEW_ID },
    },
  ]);
  await second.stop();

  upstream.answer("job", pulseAnswer.completed());
  await startWith(ring(NEW_KEY), first.databaseUrl);
  for (const number of [0, 209]) {
    const callback = await receiver.takeOne(`/${number}`);
    expect(callback.headers["x-number"]).toBe(String(number));
  }
}, 240_000);

test("a secret under a key that is not in the ring is counted, told and left as it is", async () => {
  const gateway = await startWith(ring(OLD_KEY));
  const outcome = await reseal(gateway.databaseUrl, ring(NEW_KEY), false);
  expect(outcome.allUnderFirstKey).toBe(false);
  expect(outcome.text).toContain(
    "2 secrets are under keys that RINGBACK_ENCRYPTION_KEYS does not hold",
  );
  expect(outcome.text).toMatch(/^Not readable: signing_secrets\.secret of [0-9a-f-]{36}$/m);
  const secrets = await gateway.api("GET", "/v1/signing-secrets");
  expect(secrets.body.data[0].secret).toBe(SIGNING_SECRET);
});

test("a value that changed after it was read is not overwritten by what was read", async () => {
  const gateway = await startWith(ring(NEW_KEY, OLD_KEY));
  const connection = { provider: "pulse", credential: "first" };
  const { body } = await gateway.api("POST", "/v1/connections", connection);
  const [row] = await gateway.sql`select id from connections`;
  const place = { column: "connections.credential", id: String(row?.["id"]) } as const;
  const sealedBefore = createSecretBox([OLD_KEY]).seal("older", place);
  await gateway.sql`update connections set credential = ${sealedBefore}`;
  const change = { credential: "newer" };
  expect((await gateway.api("PATCH", `/v1/connections/${body.id}`, change)).status).toBe(200);
  const database = await openDatabase({
    url: gateway.databaseUrl,
    connectionsMax: 1,
    statementTimeoutMs: 10_000,
    applicationName: "test",
    log: quietLog,
  });
  toClose.push(() => database.close(1_000));
  const [credential] = SEALED_COLUMNS;
  if (credential === undefined || row === undefined) throw new Error("unreachable");
  const key = { shardId: null, id: row["id"] as string };
  const stale = { ...key, before: sealedBefore, after: "overwritten" };
  expect(await replaceSealed(database, credential, [stale])).toBe(0);
  const [now] = await gateway.sql`select credential from connections`;
  expect(createSecretBox([NEW_KEY]).open(now?.["credential"], place)).toBe("newer");
});
