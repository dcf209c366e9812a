import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CliResult, runCli } from "../support/cli.ts";
import { createTestDatabase } from "../support/database.ts";
import { type FakeUpstream, startFakeUpstream } from "../support/fake-upstream.ts";
import { API_KEY, gatewayEnvironment, SIGNING_SECRET } from "../support/gateway-environment.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

let gateway: TestGateway;
let upstream: FakeUpstream;
let receiver: Receiver;
let machine: Record<string, string>;

beforeAll(async () => {
  upstream = await startFakeUpstream();
  receiver = await startReceiver(SIGNING_SECRET);
  gateway = await startTestGateway({ RINGBACK_ENCRYPTION_KEYS: KEY });
  machine = gatewayEnvironment(gateway.databaseUrl, {
    RINGBACK_ENCRYPTION_KEYS: KEY,
    PULSE_API_KEY: "upstream-key",
    PULSE_BASE_URL: upstream.origin,
    RINGBACK_URL: gateway.url,
    XDG_CONFIG_HOME: join(tmpdir(), "ringback-test-doctor"),
  });
});

afterAll(async () => {
  await gateway.discard();
  await receiver.close();
  await upstream.close();
});

const KEY = randomBytes(32).toString("base64");
const OTHER_KEY = randomBytes(32).toString("base64");

interface Found {
  readonly verdict: string;
  readonly detail: string;
  readonly action: string | null;
}

/** The findings of `doctor`, by the name of the check. */
async function doctor(
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<CliResult & { readonly checks: Readonly<Record<string, Found>> }> {
  const result = await runCli(["doctor", "--json", ...args], env);
  const lines = result.stdout.trim().split("\n");
  const checks = lines.map((line) => JSON.parse(line) as Found & { readonly name: string });
  return { ...result, checks: Object.fromEntries(checks.map((check) => [check.name, check])) };
}

test("where all is well every check says so, and a receiver takes a signed event", async () => {
  const { checks, code } = await doctor(machine, "--receiver", receiver.url("/doctor"));
  expect(Object.entries(checks).filter(([, { verdict }]) => verdict !== "ok")).toEqual([]);
  expect(Object.keys(checks)).toEqual([
    "node",
    "settings",
    "database",
    "migrations",
    "encryption",
    "clock",
    "egress",
    "gateway",
    "API key",
    "receiver",
  ]);
  expect(code).toBe(0);
  expect((await receiver.takeOne("/doctor")).problem).toBeNull();
});

test("each encryption key opens a stored secret; one with nothing under it can go, and an altered secret is named", async () => {
  const both = `${KEY},${OTHER_KEY}`;
  const retiring = await doctor({ ...machine, RINGBACK_ENCRYPTION_KEYS: both });
  expect(retiring.checks["encryption"]).toMatchObject({
    verdict: "ok",
    detail: expect.stringMatching(
      /^Secrets under key (\w{8}) were opened; \1 encrypts\. Nothing is under key (?!\1)\w{8}: it can be taken out\.$/,
    ),
  });
  const connection = { provider: "pulse", name: "doctor", credential: "upstream-key" };
  const { body } = await gateway.api("POST", "/v1/connections", connection);
  const [row] = await gateway.sql`
    update connections set credential = left(credential, -6) where name = 'doctor' returning id`;
  try {
    const { checks, code, stdout } = await doctor(machine);
    expect(checks["encryption"]).toMatchObject({
      verdict: "failed",
      detail: expect.stringContaining(`connections.credential of ${row?.["id"]}: A sealed secret`),
    });
    expect(stdout).not.toContain("upstream-key");
    expect(code).toBe(1);
  } finally {
    await gateway.api("DELETE", `/v1/connections/${body.id}`);
  }
});

test("people get a line for each check, with what to do", async () => {
  receiver.answer("/sick", { status: 500 });
  const args = ["doctor", "--receiver", receiver.url("/sick")];
  const { stdout, code } = await runCli(args, machine);
  expect(stdout).toMatch(/^ok {7}node {9}Node \d/);
  expect(stdout).toMatch(
    /^failed {3}receiver {5}http:\S+\/sick did not take a signed test event: it answered 500\.\n {22}→ It has to answer 2xx/m,
  );
  expect(code).toBe(1);
});

test.each<[string, Record<string, string>, string, string, RegExp]>([
  ["a setting", { PORT: "99999" }, "settings", "failed", /PORT is too large/],
  [
    "an unknown setting",
    { RINGBACK_RETRY_SHEDULE_S: "5" },
    "settings",
    "warning",
    /Did you mean RINGBACK_RETRY_SCHEDULE_S/,
  ],
  [
    "no database",
    { DATABASE_URL: "postgres://u:secret@127.0.0.1:9/ringback" },
    "database",
    "failed",
    /can't use the database/,
  ],
  [
    "an encryption key that is missing",
    { RINGBACK_ENCRYPTION_KEYS: OTHER_KEY },
    "encryption",
    "failed",
    /^signing_secrets\.secret of [0-9a-f-]{36}: No key of RINGBACK_ENCRYPTION_KEYS has the id \w{8}/m,
  ],
  ["no way out", { PULSE_BASE_URL: "http://127.0.0.1:9" }, "egress", "failed", /can't be reached/],
  ["no gateway", { RINGBACK_URL: "http://127.0.0.1:9" }, "gateway", "failed", /None answers at/],
  ["a wrong key", { RINGBACK_API_KEY: "rb_wrong_key_of_some_length" }, "API key", "failed", /./],
])("%s is found", async (_what, changes, name, verdict, detail) => {
  const { checks, code, stdout } = await doctor({ ...machine, ...changes });
  expect(checks[name]).toMatchObject({ verdict, detail: expect.stringMatching(detail) });
  expect(checks[name]?.action).toEqual(expect.any(String));
  expect(stdout).not.toContain("secret@");
  expect(code).toBe(verdict === "failed" ? 1 : 0);
});

test("a database that is behind is found, by migrate --check too, which changes nothing", async () => {
  const { url, drop } = await createTestDatabase("template0");
  try {
    const env = { ...machine, DATABASE_URL: url };
    expect((await doctor(env)).checks["migrations"]).toMatchObject({
      verdict: "failed",
      action: "Run: ringback migrate",
    });
    for (const _ of [1, 2]) {
      const checked = await runCli(["migrate", "--check"], env);
      expect(checked.stderr).toMatch(/^Error: The database's schema is not up to date/);
      expect(checked.code).toBe(1);
    }
    const good = await runCli(["migrate", "--check"], machine);
    expect(good).toMatchObject({ code: 0, stdout: "The database is up to date.\n" });
  } finally {
    await drop();
  }
});

test.each([
  [["reseal"], /0 secrets encrypted again …/],
  [["migrate"], /Bringing the database up to date … \d+ s/],
])(
  "%j shows on a terminal that it goes on, and nothing of that when piped",
  async (args, progress) => {
    const env = { ...machine, LOG_LEVEL: "warn" };
    const shown = await runCli(args, env, "", true);
    expect(shown).toMatchObject({ code: 0, stderr: expect.stringMatching(progress) });
    expect(shown.stderr.endsWith("\r\u001b[K")).toBe(true);
    expect(await runCli(args, env)).toMatchObject({ code: 0, stderr: "" });
  },
);

test("a receiver that callbacks may not go to is refused with the rule, without a gateway too", async () => {
  const env = {
    ...machine,
    RINGBACK_EGRESS_ALLOW: "10.0.0.0/8",
    RINGBACK_URL: "http://127.0.0.1:9",
  };
  const { checks } = await doctor(env, "--receiver", receiver.url("/private"));
  expect(checks["receiver"]).toMatchObject({
    verdict: "failed",
    action: expect.stringContaining("RINGBACK_EGRESS_ALLOW"),
  });
  expect(receiver.received("/private")).toEqual([]);
  const direct = await doctor(
    { ...env, RINGBACK_EGRESS_ALLOW: "127.0.0.0/8" },
    "--receiver",
    receiver.url("/direct"),
  );
  expect(direct.checks["receiver"]).toMatchObject({ verdict: "ok" });
  expect((await receiver.takeOne("/direct")).problem).toBeNull();
});

test("a doctor without an API key says how to give one", async () => {
  const none = { DATA_DIR: join(tmpdir(), "ringback-none"), XDG_CONFIG_HOME: tmpdir() };
  const { checks } = await doctor({ ...none, RINGBACK_URL: gateway.url });
  expect(checks["gateway"]).toMatchObject({
    verdict: "skipped",
    action: expect.stringContaining("ringback login"),
  });
});

test("a laptop without any gateway of its own is told what was left out", async () => {
  const env = {
    RINGBACK_URL: gateway.url,
    RINGBACK_API_KEY: API_KEY,
    DATA_DIR: join(tmpdir(), "ringback-none"),
  };
  const { checks } = await doctor(env);
  expect(checks["database"]).toMatchObject({ verdict: "skipped" });
  expect(checks["gateway"]).toMatchObject({ verdict: "ok" });
});
