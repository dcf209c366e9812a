import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { TestContext } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { runMain, useGatewayProcesses } from "../support/gateway-process.ts";
import { gatewayEnvironment } from "../support/gateway-environment.ts";

const processes = useGatewayProcesses();
// Many processes start at once.
vi.setConfig({ testTimeout: 180_000 });

/** Whatever goes wrong, no output may hold it. */
const SECRET = "hunter2hunter2";

function newKey(): string {
  return randomBytes(32).toString("base64");
}

async function databaseOf(context: TestContext): Promise<string> {
  const { url, drop } = await createTestDatabase();
  context.onTestFinished(drop);
  return url;
}

/** Starts what can't start, and returns what it said. */
async function refusal(
  context: TestContext,
  env: Readonly<Record<string, string>>,
  args?: readonly string[],
): Promise<string> {
  const { code, signal, output } = await processes.run(context, env, args).exit;
  expect({ code, signal }).toEqual({ code: 1, signal: null });
  expect(output).not.toContain(SECRET);
  return output;
}

/** Changes a part of a URL. */
function changed(url: string, change: (url: URL) => void): string {
  const copy = new URL(url);
  change(copy);
  return copy.href;
}

describe.concurrent("the start is refused, with exit code 1 and nothing secret told,", () => {
  test("wrong settings stop the start with exit code 1: all are listed with names and valid values, and nothing secret", async (context) => {
    const output = await refusal(context, {
      PORT: "99999",
      HOST: "not a host",
      DATABASE_URL: `postgres//ringback:${SECRET}@db/ringback`,
      RINGBACK_API_KEY: SECRET,
      RINGBACK_SIGNING_SECRET: `whsec_${SECRET}`,
      RINGBACK_ENCRYPTION_KEYS: `${newKey()},${SECRET}`,
      PULSE_API_KEY: `${SECRET} `.repeat(2),
      PULSE_BASE_URL: "api.runpulse.com",
      RINGBACK_EGRESS_ALLOW: "10.0.0.0/33",
      RINGBACK_PUBLIC_URL: "ftp://gateway.example.com",
      LOG_LEVEL: "loud",
      LOG_FORMAT: "xml",
      RINGBACK_RETRY_SHEDULE_S: "5",
    });
    const lines = output.trimEnd().split("\n");
    expect(lines).toEqual([
      "Ringback can't start: 12 settings are wrong or missing.",
      ...Array.from({ length: 12 }, () => expect.stringMatching(/^ {2}[A-Z_]+ .*; valid: .+$/)),
      "RINGBACK_RETRY_SHEDULE_S is not a setting of Ringback. Did you mean RINGBACK_RETRY_SCHEDULE_S?",
    ]);
    for (const problem of [
      /^ {2}DATABASE_URL is not a URL; valid: postgres:/,
      /^ {2}HOST has the wrong form; valid: an IP address or a host name$/,
      /^ {2}LOG_FORMAT is none of .*; valid: one of json, pretty$/,
      /^ {2}LOG_LEVEL is none of .*; valid: one of fatal, error, /,
      /^ {2}PORT is too large; valid: a whole number from 0 to 65535$/,
      /^ {2}PULSE_API_KEY .*; valid: printable ASCII without blanks$/,
      /^ {2}PULSE_BASE_URL is not a URL; valid: an http:/,
      /^ {2}RINGBACK_API_KEY .*; valid: rb_ and /,
      /^ {2}RINGBACK_EGRESS_ALLOW item 1 .*; valid: .*a CIDR/,
      /^ {2}RINGBACK_ENCRYPTION_KEYS item 2 .*; valid: .*base64 of 32/,
      /^ {2}RINGBACK_PUBLIC_URL .*; valid: an http:/,
      /^ {2}RINGBACK_SIGNING_SECRET .*; valid: whsec_ and /,
    ]) {
      expect(lines).toContainEqual(expect.stringMatching(problem));
    }
  });

  test("DATABASE_URL without encryption keys stops the start with exit code 1", async (context) => {
    const output = await refusal(context, { DATABASE_URL: `postgres://u:${SECRET}@db/ringback` });
    expect(output).toContain("1 setting is wrong or missing");
    expect(output).toContain("RINGBACK_ENCRYPTION_KEYS is required with DATABASE_URL");
  });

  test("an unknown command stops the start with exit code 1 and the list of commands", async (context) => {
    const output = await refusal(context, {}, ["migrate", "now"]);
    expect(output).toContain("Unknown command: migrate now");
    expect(output).toContain("Usage: ringback [command]");
  });

  test("an impossible data directory stops the start with exit code 1", async (context) => {
    const output = await refusal(context, { PORT: "0", DATA_DIR: fileURLToPath(import.meta.url) });
    expect(output).toMatch(
      /DATA_DIR .*configuration\.test\.ts can't be used \(.* not a folder\); valid: a folder/,
    );
    expect(output).not.toContain("    at ");
  });

  test("a wrong database password stops the start with exit code 1", async (context) => {
    const url = changed(await databaseOf(context), (parts) => (parts.password = SECRET));
    const output = await refusal(context, gatewayEnvironment(url));
    expect(output).toContain(`can't use the database postgres://ringback:`);
    expect(output).toContain("password authentication failed");
  });

  test("secrets that no key opens stop the start until the old key is in the list again", async (context) => {
    const url = await databaseOf(context);
    const [oldKey, newerKey] = [newKey(), newKey()];
    const env = (keys: string) => ({ ...gatewayEnvironment(url), RINGBACK_ENCRYPTION_KEYS: keys });
    const first = await processes.start(context, env(oldKey));
    await first.stop();
    const output = await refusal(context, env(newerKey));
    expect(output).toMatch(
      /No key of RINGBACK_ENCRYPTION_KEYS has the id \w+; add the key .* encryption\.key of DATA_DIR/,
    );
    expect(output).not.toContain("    at ");
    const rotated = await processes.start(context, env(`${newerKey},${oldKey}`));
    expect(await rotated.stop()).toMatchObject({ code: 0 });
  });

  test("a part that can't start stops the start, and nothing that was started keeps the process alive", async (context) => {
    const url = await databaseOf(context);
    const sql = postgres(url, { max: 1 });
    await sql`alter table nodes rename to somewhere_else`;
    await sql.end();
    const output = await refusal(context, gatewayEnvironment(url));
    expect(output).toContain('relation \\"nodes\\" does not exist');
  });
});

test.concurrent("a database that is not up yet is waited for, which the log says, without the password", async (context) => {
  const url = `postgres://ringback:${SECRET}@127.0.0.1:9/ringback`;
  const starting = processes.run(context, gatewayEnvironment(url));
  expect(await starting.logged("database not ready, waiting")).toMatchObject({
    level: "warn",
    reason: "ECONNREFUSED",
    server: expect.stringContaining("127.0.0.1:9/ringback"),
  });
  expect(starting.output()).not.toContain(SECRET);
});

test.concurrent("a question that needs no setting is answered whatever the settings are", async (context) => {
  const { code, output } = await processes.run(context, { PORT: "wrong" }, ["--version"]).exit;
  expect(code).toBe(0);
  expect(output).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each(["standby", "nonsense"])(
  "PGTARGETSESSIONATTRS=%s is left alone: DATABASE_URL says which servers will do",
  async (value) => {
    const { url, drop } = await createTestDatabase();
    onTestFinished(drop);
    const env = { ...gatewayEnvironment(url), PGTARGETSESSIONATTRS: value };
    const { code, output } = await runMain(env, ["migrate"]).exit;
    expect(output).not.toMatch(/refused|not supported/);
    expect(code).toBe(0);
  },
);
