import {
  eachLimit,
  environmentNameOf,
  limitOf,
  PROJECT_LIMIT_NAMES,
} from "../src/core/limits/project-limits.ts";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeProblems, loadConfig } from "../src/config.ts";
import type { Config } from "../src/config.ts";
import { newApiKey } from "../src/runtime/secrets/api-key.ts";
import "./support/property-seed.ts";

type Environment = Record<string, string | undefined>;

const KEY = bytes(32, 1);
const OTHER_KEY = bytes(32, 2);

function load(env: Environment): Config {
  const result = loadConfig(env, false);
  if (result.kind === "invalid") throw new Error(describeProblems(result.problems));
  return result.config;
}

/** The names of the settings that are wrong, in alphabetical order. */
function wrong(env: Environment): string[] {
  const result = loadConfig(env, false);
  return result.kind === "ok" ? [] : result.problems.map(({ name }) => name).toSorted();
}

/** For each setting, texts that are wrong and texts that are right. */
const TEXTS: Record<string, { wrong: string[]; right: string[] }> = {
  PORT: { wrong: ["-1", "65536", "80a", "8.5", "0x50", "1e3"], right: ["0", "65535"] },
  HOST: { wrong: ["a b", "http://a"], right: ["0.0.0.0", "::", "localhost"] },
  DATABASE_URL: {
    wrong: ["mysql://a/b", "db", "http://db/x", "postgres://a,b/x?target_session_attrs=standby"],
    right: [
      "postgres://u:p@db:5432/x",
      "postgresql://db/x?sslmode=require",
      "postgres://u:p@a:5432,b:5433/x?target_session_attrs=read-write",
    ],
  },
  RINGBACK_API_KEY: {
    wrong: [
      "rb_1234",
      "sk_abcdefghijklmnopqrst",
      "rb_abcdefghij klmnopqrst",
      "rb_abcdefghijklmno",
      `rb_${"abc".repeat(20)}`,
      `rb_k2_${"abcdefg".repeat(7)}`,
    ],
    right: ["rb_abcdefghijklmnop", newApiKey(), `rb_${randomBytes(32).toString("base64url")}`],
  },
  RINGBACK_SIGNING_SECRET: {
    wrong: [
      "whsec_",
      "abc",
      `whsec_${bytes(23)}`,
      `whsec_${bytes(65)}`,
      "whsec_!!!",
      "whpk_abcd",
    ].concat(`whsec_${Buffer.alloc(32).toString("base64")}`),
    right: [`whsec_${bytes(24)}`, `whsec_${bytes(64)}`],
  },
  RINGBACK_ENCRYPTION_KEYS: {
    wrong: [
      Buffer.alloc(32, 1).toString("base64"),
      bytes(31),
      bytes(33),
      `${KEY},`,
      `${KEY};${KEY}`,
      "key",
      KEY.slice(0, -1),
    ],
    right: [KEY, `${KEY}, ${OTHER_KEY}`],
  },
  PULSE_API_KEY: { wrong: ["a b", "schlüssel", "a\nb"], right: ["k-1"] },
  PULSE_BASE_URL: {
    wrong: ["ftp://a", "a.example", "http://u:p@a", "http://a?b", "http://a#b", "http://"],
    right: ["http://127.0.0.1:9", "https://a.example/v1/"],
  },
  RINGBACK_METRICS_TOKEN: {
    wrong: ["secret", "0123456789abcde", "a".repeat(40), "0123456789 abcdef"],
    right: ["0123456789abcdef"],
  },
  RINGBACK_TRUSTED_PROXIES: {
    wrong: ["10.0.0.0/33", "proxy.example", "10.0.0.1:80", "*"],
    right: ["10.0.0.0/8", "127.0.0.1, fd00::/8"],
  },
  RINGBACK_PUBLIC_URL: { wrong: ["ringback"], right: ["https://ringback.example"] },
  RINGBACK_EGRESS_ALLOW: {
    wrong: [
      "10.0.0.0/33",
      "::/129",
      "10.0.0.0/8/8",
      "10.0.0.0/",
      "a.example",
      "a:0",
      "a:65536",
    ].concat([
      "[::1]",
      "[1.2.3.4]:80",
      "fe80::1%eth0",
      "*",
      "a b:80",
      ",",
      "10.0.0.0/8,,::1",
      "http://a:80",
    ]),
    right: ["10.0.0.0/8", "::1", "[::1]:80", "a.example:443,127.0.0.1:9", "0.0.0.0/0 , ::/0"],
  },
  LOG_LEVEL: { wrong: ["loud"], right: ["debug", "SILENT"] },
  LOG_FORMAT: { wrong: ["xml"], right: ["json", "pretty"] },
  RINGBACK_SANDBOX: { wrong: ["yes", "true", "2"], right: ["0", "1"] },
  RINGBACK_CONSOLE: { wrong: ["off", "true"], right: ["0", "1"] },
  RINGBACK_MIGRATE: { wrong: ["no"], right: ["0", "1"] },
  RINGBACK_RETRY_SCHEDULE_S: {
    wrong: ["0", "5,-1", "5,,6", "a", "604801", "Infinity", "1e3", "5;6"],
    right: ["5", "0.01, 0.5,604800"],
  },
  RINGBACK_CALLBACK_TIMEOUT_MS: { wrong: ["99", "120001", "1s"], right: ["100", "120000"] },
  RINGBACK_VIA_CONNECT_TIMEOUT_MS: { wrong: ["99", "10001"], right: ["100", "10000"] },
  RINGBACK_VIA_IDLE_TIMEOUT_MS: { wrong: ["99", "3600001"], right: ["100", "3600000"] },
  RINGBACK_TRANSFER_BYTES_PER_SECOND_MIN: { wrong: ["-1", "1000001"], right: ["0", "1000000"] },
  RINGBACK_NAME_SERVERS: {
    wrong: ["dns.example", "10.0.0.2:0", "10.0.0.2:a", "10.0.0.0/8", ","],
    right: ["10.0.0.2", "10.0.0.2:5353,::1", "[fdaa::3]:53"],
  },
  RINGBACK_CALLBACK_CONCURRENCY: { wrong: ["0", "1025", "1.5"], right: ["1", "1024"] },
  RINGBACK_CALLBACK_REQUESTS_PER_SECOND: {
    wrong: ["0", "0.009", "-1", "1e3", "100001", "fast"],
    right: ["0.01", "2.5", "100000"],
  },
  RINGBACK_INLINE_RESULT_BYTES_MAX: { wrong: ["-1", "16777217"], right: ["0", "16777216"] },
  RINGBACK_FETCHED_RESULT_BYTES_MAX: { wrong: ["-1", "1073741825"], right: ["0", "1073741824"] },
  RINGBACK_RESULT_LINK_TTL_S: { wrong: ["0", "2592001", "1d"], right: ["1", "2592000"] },
  RINGBACK_REDELIVERIES_PER_SECOND: { wrong: ["0", "10001", "0.5"], right: ["1", "10000"] },
  RINGBACK_AUDIT_RETENTION_DAYS: { wrong: ["0", "3651"], right: ["1", "3650"] },
  RINGBACK_RETENTION_DAYS: { wrong: ["0", "3651", "30d"], right: ["1", "3650"] },
  RINGBACK_DRAIN_MS: { wrong: ["-1", "300001", "4s"], right: ["0", "300000"] },
  RINGBACK_SHUTDOWN_TIMEOUT_MS: { wrong: ["99", "600001"], right: ["100", "600000"] },
  RINGBACK_CLIENT_CONNECTIONS_MAX: { wrong: ["15", "1000001", "1e3"], right: ["16", "1000000"] },
  RINGBACK_CLIENT_CONNECTIONS_PER_ADDRESS_MAX: { wrong: ["0", "1000001"], right: ["16"] },
  RINGBACK_PROJECT_LISTS_RUNNING: { wrong: ["-1", "1000000001", "many"], right: ["0", "64"] },
  RINGBACK_LIVE_JOBS_MAX: { wrong: ["-1", "1000000001", "1e6"], right: ["0", "1000000000"] },
  RINGBACK_POLL_INTERVAL_MS_MIN: { wrong: ["9", "60001", "1s"], right: ["10", "60000"] },
  RINGBACK_POLL_TIMEOUT_MS_MAX: { wrong: ["999", "900001"], right: ["1000", "900000"] },
  RINGBACK_POLL_CONCURRENCY_MAX: { wrong: ["0", "1025"], right: ["1", "1024"] },
  RINGBACK_POLLS_PER_SECOND_MAX: { wrong: ["0", "0.009", "100001"], right: ["0.01", "100000"] },
  RINGBACK_ANSWER_MIB_MAX: { wrong: ["0", "257"], right: ["1", "256"] },
  RINGBACK_MEMORY_MIB: { wrong: ["127", "1048577", "1GiB"], right: ["128", "1048576"] },
};

/** No two are alike, up to 256. */
function bytes(length: number, first = 7): string {
  return Buffer.from(Array.from({ length }, (_, index) => first + index)).toString("base64");
}

describe.each(Object.entries(TEXTS))("%s", (name, texts) => {
  const others = name === "DATABASE_URL" ? { RINGBACK_ENCRYPTION_KEYS: KEY } : {};

  test.each(texts.wrong)("this setting refuses %j", (text) => {
    expect(wrong({ ...others, [name]: text })).toEqual([name]);
  });

  test.each(texts.right)("this setting accepts %j", (text) => {
    expect(wrong({ ...others, [name]: text })).toEqual([]);
  });
});

test.each(PROJECT_LIMIT_NAMES)("the default of %s is set by a variable of its own", (name) => {
  const { projectLimits } = load({ [environmentNameOf(name)]: "3" });
  const before = load({}).projectLimits;
  expect(projectLimits).toEqual({
    alone: { ...before.alone, [name]: 3 },
    amongOthers: { ...before.amongOthers, [name]: 3 },
  });
});

describe("with nothing set", () => {
  test("without settings the gateway runs on an embedded database, with the sandbox, for this machine only", () => {
    expect(load({})).toEqual({
      port: 8080,
      host: "127.0.0.1",
      database: { kind: "embedded", dataDir: ".ringback" },
      dataDir: ".ringback",
      apiKey: null,
      signingSecret: null,
      encryptionKeys: null,
      pulse: { apiKey: null, baseUrl: "https://api.runpulse.com" },
      egressAllow: { everybody: { cidrs: [], hostPorts: [] }, projects: [] },
      nameServers: null,
      publicUrl: null,
      clientConnections: { connectionsMax: 4_096, connectionsPerAddressMax: 4_096 },
      trustedProxies: [],
      metricsToken: null,
      log: { level: "info", format: "json" },
      providersDir: null,
      sandbox: true,
      console: true,
      migrate: true,
      retryScheduleMs: [5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200, 86400, 86400].map(
        (seconds) => seconds * 1000,
      ),
      callbackTimeoutMs: 15_000,
      transferBytesPerSecondMin: 1024,
      via: { connectTimeoutMs: 10_000, idleTimeoutMs: 120_000, storeTimeoutMs: 30_000 },
      callbackConcurrency: 32,
      callbackRequestsPerSecond: null,
      inlineResultBytesMax: 262_144,
      fetchedResultBytesMax: 104_857_600,
      resultLinkTtlMs: 86_400_000,
      redeliveriesPerSecond: 100,
      keptForMs: 2_592_000_000,
      auditKeptForMs: 31_536_000_000,
      drainMs: 0,
      shutdownTimeoutMs: 8000,
      pollCeilings: {
        intervalMsMin: 100,
        timeoutMsMax: 360_000,
        concurrencyMax: 1024,
        requestsPerSecondMax: null,
        answerBytesMax: 256 * 2 ** 20,
      },
      projectLimits: {
        alone: eachLimit((name) => limitOf(name).byDefault),
        amongOthers: {
          ...eachLimit((name) => limitOf(name).byDefault),
          stored_bytes: 107_374_182_400,
          requests_per_second: 2000,
          database_calls: 3,
        },
      },
      memoryBytes: null,
    });
  });

  test("an empty or blank variable counts as unset", () => {
    const blank = Object.fromEntries(Object.keys(TEXTS).map((name) => [name, " "]));
    expect(load({ ...blank, DATA_DIR: "" })).toEqual(load({}));
    expect(loadConfig({ RINGBACK_UNHEARD_OF: "" }, false).warnings).toEqual([]);
  });

  test("a folder of definitions is read only if it is named", () => {
    expect(load({ RINGBACK_PROVIDERS_DIR: " " }).providersDir).toBeNull();
    expect(load({ RINGBACK_PROVIDERS_DIR: "./providers" }).providersDir).toBe("./providers");
  });

  test("a terminal gets readable log lines", () => {
    const result = loadConfig({}, true);
    expect(result).toMatchObject({ kind: "ok", config: { log: { format: "pretty" } } });
  });
});

describe("with a database of one's own", () => {
  const url = "postgres://u:p@db/x";

  test("with a database of one's own, the sandbox is off by default", () => {
    const env = { DATABASE_URL: url, RINGBACK_ENCRYPTION_KEYS: KEY };
    expect(load(env)).toMatchObject({ database: { kind: "external", url }, sandbox: false });
    expect(load({ ...env, RINGBACK_SANDBOX: "1" }).sandbox).toBe(true);
  });

  test("the sandbox is off by default when the listener is reachable from elsewhere", () => {
    expect(load({ HOST: "0.0.0.0" }).sandbox).toBe(false);
    expect(load({ HOST: "::" }).sandbox).toBe(false);
    expect(load({ HOST: "gateway.example" }).sandbox).toBe(false);
    expect(load({ HOST: "0.0.0.0", RINGBACK_SANDBOX: "1" }).sandbox).toBe(true);
    for (const HOST of ["localhost", "::1", "127.0.0.2"]) expect(load({ HOST }).sandbox).toBe(true);
  });

  test("a database of one's own requires encryption keys, even if the URL is wrong", () => {
    expect(wrong({ DATABASE_URL: url })).toEqual(["RINGBACK_ENCRYPTION_KEYS"]);
    expect(wrong({ DATABASE_URL: "db" })).toEqual(["DATABASE_URL", "RINGBACK_ENCRYPTION_KEYS"]);
  });
});

describe("parsed settings", () => {
  test("encryption keys become bytes, in their order", () => {
    const keys = load({ RINGBACK_ENCRYPTION_KEYS: `${KEY},${OTHER_KEY}` }).encryptionKeys;
    expect(keys?.map((key) => key.toString("base64"))).toEqual([KEY, OTHER_KEY]);
  });

  test("egress exemptions become CIDRs and host-port pairs", () => {
    const text = "10.0.0.0/8, 127.0.0.1, ::1, fd00::/8, [FE80::1]:80, App.Example:8443";
    expect(load({ RINGBACK_EGRESS_ALLOW: text }).egressAllow.everybody).toEqual({
      cidrs: [
        { address: "10.0.0.0", prefixBits: 8 },
        { address: "127.0.0.1", prefixBits: 32 },
        { address: "::1", prefixBits: 128 },
        { address: "fd00::", prefixBits: 8 },
      ],
      hostPorts: [
        { host: "fe80::1", port: 80 },
        { host: "app.example", port: 8443 },
      ],
    });
  });

  test("an egress exemption with a project applies to that project only", () => {
    const text = "10.0.0.0/8@acme,[::1]:8080@prj_0190,10.1.0.0/16@acme,9.9.9.9";
    expect(load({ RINGBACK_EGRESS_ALLOW: text }).egressAllow).toEqual({
      everybody: { cidrs: [{ address: "9.9.9.9", prefixBits: 32 }], hostPorts: [] },
      projects: [
        {
          project: "acme",
          allow: {
            cidrs: [
              { address: "10.0.0.0", prefixBits: 8 },
              { address: "10.1.0.0", prefixBits: 16 },
            ],
            hostPorts: [],
          },
        },
        { project: "prj_0190", allow: { cidrs: [], hostPorts: [{ host: "::1", port: 8080 }] } },
      ],
    });
  });

  test("a schedule in seconds becomes milliseconds", () => {
    const { retryScheduleMs } = load({ RINGBACK_RETRY_SCHEDULE_S: "0.05, 1,2.5" });
    expect(retryScheduleMs).toEqual([50, 1000, 2500]);
  });

  test("a base URL loses its last slash, so that paths can follow", () => {
    const { pulse, publicUrl } = load({
      PULSE_BASE_URL: "http://127.0.0.1:9/",
      RINGBACK_PUBLIC_URL: "https://a.example/ringback/",
    });
    expect([pulse.baseUrl, publicUrl]).toEqual([
      "http://127.0.0.1:9",
      "https://a.example/ringback",
    ]);
  });

  test("the settings are frozen", () => {
    const config = load({ RINGBACK_ENCRYPTION_KEYS: KEY, RINGBACK_EGRESS_ALLOW: "::1" });
    for (const part of [
      config,
      config.log,
      config.egressAllow.everybody.cidrs[0],
      config.retryScheduleMs,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

describe("problems", () => {
  test("all wrong settings are reported at once", () => {
    const names = Object.keys(TEXTS);
    expect(wrong(everythingWrong(names))).toEqual(names.toSorted());
  });

  test("exactly the wrong settings are reported, whichever they are", () => {
    fc.assert(
      fc.property(fc.subarray(Object.keys(TEXTS)), (names) => {
        const env = { RINGBACK_ENCRYPTION_KEYS: KEY, ...everythingWrong(names) };
        expect(wrong(env)).toEqual(names.toSorted());
      }),
    );
  });

  test("a problem never repeats the value, which may be a secret in the wrong place", () => {
    // Long and unlike the words of a message.
    const value = fc.stringMatching(/^[\w!$%&/=?*#~:@,. -]{0,40}Zq7[\w!$%&/=?*#~:@,. -]{0,40}$/);
    fc.assert(
      fc.property(
        fc.record(Object.fromEntries(Object.keys(TEXTS).map((n) => [n, value]))),
        (env) => {
          const result = loadConfig({ ...env, RINGBACK_OTHER: "Zq7" }, false);
          if (result.kind === "ok") return;
          expect(describeProblems(result.problems)).not.toContain("Zq7");
          expect(JSON.stringify(result)).not.toContain("Zq7");
        },
      ),
    );
  });

  test("each problem is printed on a line with its name and a valid value", () => {
    const result = loadConfig({ PORT: "http", RINGBACK_ENCRYPTION_KEYS: `${KEY},short` }, false);
    expect(result.kind === "invalid" && describeProblems(result.problems)).toBe(
      [
        "Ringback can't start: 2 settings are wrong or missing.",
        "  PORT is not a whole number; valid: a whole number from 0 to 65535",
        "  RINGBACK_ENCRYPTION_KEYS item 2 is not base64; " +
          "valid: up to 100 items between commas, each the base64 of 32 random bytes; make one with: openssl rand -base64 32",
      ].join("\n"),
    );
  });
});

describe("warnings", () => {
  test("an unknown Ringback variable is reported with the nearest known name", () => {
    const result = loadConfig({ RINGBACK_RETRY_SCHEDULE: "5", RINGBACK_API_KEYS: "rb_x" }, false);
    expect(result.kind).toBe("ok");
    expect(result.warnings).toEqual([
      "RINGBACK_API_KEYS is not a setting of Ringback. Did you mean RINGBACK_API_KEY?",
      "RINGBACK_RETRY_SCHEDULE is not a setting of Ringback. Did you mean RINGBACK_RETRY_SCHEDULE_S?",
    ]);
  });

  test("variables of other programs are ignored", () => {
    expect(loadConfig({ PATH: "/bin", PULSE_SERVER: "x" }, false).warnings).toEqual([]);
  });

  test("variables of the user commands are known to a gateway beside them", () => {
    const env = { RINGBACK_URL: "https://ringback.example.com", RINGBACK_PROFILE: "work" };
    expect(loadConfig(env, false).warnings).toEqual([]);
  });
});

function everythingWrong(names: readonly string[]): Environment {
  return Object.fromEntries(names.map((name) => [name, TEXTS[name]?.wrong[0]]));
}
