import { isIP } from "node:net";
import {
  eachLimit,
  environmentNameOf,
  limitMaxOf,
  limitOf,
  type ProjectLimitDefaults,
} from "./core/limits/project-limits.ts";
import { isLoopbackHost } from "./runtime/loopback-host.ts";
import type { PollCeilings } from "./core/limits/poll-ceilings.ts";
import { retryScheduleMs } from "./core/delivery/retry-schedule.ts";
import type { EgressAllow } from "./outbound/guard/address-guard.ts";
import { apiKeyForm } from "./runtime/secrets/api-key.ts";
import type { ProjectEgressAllow } from "./outbound/guard/project-guards.ts";
import { LOG_FORMATS, LOG_LEVELS } from "./runtime/process/log.ts";
import type { LogFormat, LogLevel } from "./runtime/process/log.ts";
import {
  baseUrl,
  listOf,
  onOrOff,
  oneOf,
  textLike,
  wholeNumber,
} from "./runtime/settings/setting-kind.ts";
import type { Reading, SettingKind } from "./runtime/settings/setting-kind.ts";
import { SettingReader } from "./runtime/settings/setting-reader.ts";
import type { Environment, SettingProblem } from "./runtime/settings/setting-reader.ts";
import { passwordOf, readDatabaseUrl } from "./store/connection/database-url.ts";

/** Everything the environment decides, read once at the start. Times in ms, sizes in bytes. */
export interface Config {
  /** 0 picks a free port. */
  readonly port: number;
  readonly host: string;
  readonly database:
    | { readonly kind: "embedded"; readonly dataDir: string }
    | { readonly kind: "external"; readonly url: string };
  readonly dataDir: string;
  readonly apiKey: string | null;
  readonly signingSecret: string | null;
  /** 32 bytes each; the first encrypts, all decrypt. Never null with an external database. */
  readonly encryptionKeys: readonly Buffer[] | null;
  /** The base URL has no slash at the end; neither has `publicUrl`. */
  readonly pulse: { readonly apiKey: string | null; readonly baseUrl: string };
  readonly egressAllow: ProjectEgressAllow;
  /** `address` or `address:port`; null for those of the machine. */
  readonly nameServers: readonly string[] | null;
  readonly publicUrl: string | null;
  /** Connections to the listener at once. */
  readonly clientConnections: {
    readonly connectionsMax: number;
    readonly connectionsPerAddressMax: number;
  };
  /** Addresses of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: EgressAllow["cidrs"];
  /** Asked for by `/metrics`; null to show unknownFields what names no tenant. */
  readonly metricsToken: string | null;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
  readonly sandbox: boolean;
  /** Whether the web console is served. */
  readonly console: boolean;
  /** A folder of provider definitions, one a file. */
  readonly providersDir: string | null;
  readonly migrate: boolean;
  /** The waits after the first, second, … failed attempt of a delivery. */
  readonly retryScheduleMs: readonly number[];
  readonly callbackTimeoutMs: number;
  /** Answers that come more slowly on average are given up; 0 for none. */
  readonly transferBytesPerSecondMin: number;
  /** Callbacks in progress at once to one origin, for each project. */
  readonly callbackConcurrency: number;
  /** Callbacks a second to one origin, for each project; null for no limit. */
  readonly callbackRequestsPerSecond: number | null;
  readonly inlineResultBytesMax: number;
  /** A result that is a link to more than this is not fetched. */
  readonly fetchedResultBytesMax: number;
  /** How long a link to a result is good. */
  readonly resultLinkTtlMs: number;
  /** For requests that are passed on. */
  readonly via: {
    readonly connectTimeoutMs: number;
    /** Without a byte in either direction. */
    readonly idleTimeoutMs: number;
    /** How long an answer waits for its subscription to be stored. */
    readonly storeTimeoutMs: number;
  };
  readonly redeliveriesPerSecond: number;
  /** How long what is over is kept. */
  readonly keptForMs: number;
  /** How long entries of the audit log are kept. */
  readonly auditKeptForMs: number;
  /** How long the node goes on serving after it said that it is not ready any more. */
  readonly drainMs: number;
  readonly shutdownTimeoutMs: number;
  /** Limits of a project, unless the operator has set others for it. */
  readonly projectLimits: ProjectLimitDefaults;
  readonly pollCeilings: PollCeilings;
  /** Memory that the process may count on; null for what the machine or container has. */
  readonly memoryBytes: number | null;
}

/** Warnings are for a person to read; the program starts all the same. */
type ConfigResult = { readonly warnings: readonly string[] } & (
  | { readonly kind: "ok"; readonly config: Config }
  | { readonly kind: "invalid"; readonly problems: readonly SettingProblem[] }
);

/** Settings of client commands (`cli/frame/gateway.ts`), known here so that a gateway does not warn about them. */
const SETTINGS_OF_COMMANDS = ["RINGBACK_URL", "RINGBACK_PROFILE"] as const;

/** Twice the interval at which platforms check health, where one may do so. */
const DRAIN_MS = 4_000;
// About three days in all.
const RETRY_SCHEDULE_S = [5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 86_400];

/**
 * Reads the whole environment before it judges, so that all problems are reported at once.
 * @param terminal whether a person reads the log as it is written
 */
export function loadConfig(env: Environment, terminal: boolean): ConfigResult {
  const settings = new SettingReader(env);
  const config = readConfig(settings, terminal);
  for (const name of SETTINGS_OF_COMMANDS) settings.read(name, textLike(/./, "any text"));
  const warnings = settings.unknownFields("RINGBACK_").map(describeUnknown);
  const { problems } = settings;
  if (problems.length > 0) return { kind: "invalid", problems, warnings };
  return { kind: "ok", config: deepFreeze(config), warnings };
}

/** One line for each problem, ready to be printed. */
export function describeProblems(problems: readonly SettingProblem[]): string {
  const lines = problems.map(({ name, problem, valid }) => `  ${name} ${problem}; valid: ${valid}`);
  const count = lines.length === 1 ? "1 setting is" : `${lines.length} settings are`;
  return [`Ringback can't start: ${count} wrong or missing.`, ...lines].join("\n");
}

/** The texts that no log may hold. */
export function secretsOfConfig(config: Config): readonly string[] {
  const { database, apiKey, signingSecret, encryptionKeys, pulse } = config;
  const password = database.kind === "external" ? passwordOf(database.url) : "";
  const keys = (encryptionKeys ?? []).map((key) => key.toString("base64"));
  const found = [apiKey, signingSecret, signingSecret?.replace("whsec_", ""), pulse.apiKey];
  // A password such as `postgres` is no secret, and would blank out half the log.
  const telling = ONE_WORD.test(password) ? null : password;
  return [...found, telling, ...keys].filter((secret) => typeof secret === "string");
}

const ONE_WORD = /^[a-z]*$/i;

function readConfig(settings: SettingReader, terminal: boolean): Config {
  const dataDir = settings.read("DATA_DIR", textLike(/./, "a folder")) ?? ".ringback";
  const external = settings.isSet("DATABASE_URL");
  const databaseUrl = settings.read("DATABASE_URL", postgresUrl) ?? "";
  const host = settings.read("HOST", listenHost) ?? "127.0.0.1";
  return {
    port: settings.read("PORT", wholeNumber(0, 65_535)) ?? 8080,
    host,
    database: external ? { kind: "external", url: databaseUrl } : { kind: "embedded", dataDir },
    dataDir,
    apiKey: settings.read("RINGBACK_API_KEY", apiKey),
    signingSecret: settings.read("RINGBACK_SIGNING_SECRET", signingSecret),
    encryptionKeys: readEncryptionKeys(settings, external),
    pulse: {
      apiKey: settings.read("PULSE_API_KEY", headerValue),
      baseUrl: settings.read("PULSE_BASE_URL", baseUrl) ?? "https://api.runpulse.com",
    },
    egressAllow: byProject(settings.read("RINGBACK_EGRESS_ALLOW", listOf(exemption, 1000)) ?? []),
    nameServers: settings.read("RINGBACK_NAME_SERVERS", listOf(nameServer, 8)),
    publicUrl: settings.read("RINGBACK_PUBLIC_URL", baseUrl),
    clientConnections: readClientConnections(settings),
    trustedProxies: settings.read("RINGBACK_TRUSTED_PROXIES", listOf(cidr, 1000)) ?? [],
    metricsToken: settings.read("RINGBACK_METRICS_TOKEN", metricsToken),
    log: {
      level: settings.read("LOG_LEVEL", oneOf(LOG_LEVELS)) ?? "info",
      format: settings.read("LOG_FORMAT", oneOf(LOG_FORMATS)) ?? (terminal ? "pretty" : "json"),
    },
    providersDir: settings.read("RINGBACK_PROVIDERS_DIR", textLike(/./, "a folder")),
    sandbox: settings.read("RINGBACK_SANDBOX", onOrOff) ?? (!external && isLoopbackHost(host)),
    console: settings.read("RINGBACK_CONSOLE", onOrOff) ?? true,
    migrate: settings.read("RINGBACK_MIGRATE", onOrOff) ?? true,
    retryScheduleMs: readRetrySchedule(settings),
    callbackTimeoutMs:
      settings.read("RINGBACK_CALLBACK_TIMEOUT_MS", wholeNumber(100, 120_000)) ?? 15_000,
    transferBytesPerSecondMin:
      settings.read("RINGBACK_TRANSFER_BYTES_PER_SECOND_MIN", wholeNumber(0, 1_000_000)) ?? 1024,
    callbackConcurrency: settings.read("RINGBACK_CALLBACK_CONCURRENCY", wholeNumber(1, 1024)) ?? 32,
    callbackRequestsPerSecond: settings.read("RINGBACK_CALLBACK_REQUESTS_PER_SECOND", perSecond),
    inlineResultBytesMax:
      settings.read("RINGBACK_INLINE_RESULT_BYTES_MAX", wholeNumber(0, 16_777_216)) ?? 262_144,
    fetchedResultBytesMax:
      settings.read("RINGBACK_FETCHED_RESULT_BYTES_MAX", wholeNumber(0, 1_073_741_824)) ??
      104_857_600,
    resultLinkTtlMs:
      (settings.read("RINGBACK_RESULT_LINK_TTL_S", wholeNumber(1, 2_592_000)) ?? 86_400) * 1000,
    via: {
      connectTimeoutMs:
        settings.read("RINGBACK_VIA_CONNECT_TIMEOUT_MS", wholeNumber(100, 10_000)) ?? 10_000,
      idleTimeoutMs:
        settings.read("RINGBACK_VIA_IDLE_TIMEOUT_MS", wholeNumber(100, 3_600_000)) ?? 120_000,
      storeTimeoutMs:
        settings.read("RINGBACK_VIA_STORE_TIMEOUT_MS", wholeNumber(0, 600_000)) ?? 30_000,
    },
    redeliveriesPerSecond:
      settings.read("RINGBACK_REDELIVERIES_PER_SECOND", wholeNumber(1, 10_000)) ?? 100,
    keptForMs:
      (settings.read("RINGBACK_RETENTION_DAYS", wholeNumber(1, 3650)) ?? 30) * 24 * 3_600_000,
    auditKeptForMs:
      (settings.read("RINGBACK_AUDIT_RETENTION_DAYS", wholeNumber(1, 3650)) ?? 365) *
      24 *
      3_600_000,
    drainMs:
      settings.read("RINGBACK_DRAIN_MS", wholeNumber(0, 300_000)) ??
      (external && !terminal ? DRAIN_MS : 0),
    shutdownTimeoutMs:
      settings.read("RINGBACK_SHUTDOWN_TIMEOUT_MS", wholeNumber(100, 600_000)) ?? 8000,
    projectLimits: readProjectLimits(settings),
    pollCeilings: readPollCeilings(settings),
    memoryBytes: mebibytes(settings.read("RINGBACK_MEMORY_MIB", wholeNumber(128, 1_048_576))),
  };
}

function readProjectLimits(settings: SettingReader): ProjectLimitDefaults {
  const set = eachLimit((name) =>
    settings.read(environmentNameOf(name), wholeNumber(0, limitMaxOf(name))),
  );
  return {
    alone: eachLimit((name) => set[name] ?? limitOf(name).byDefault),
    amongOthers: eachLimit((name) => {
      const { byDefault, byDefaultAmongOthers = byDefault } = limitOf(name);
      return set[name] ?? byDefaultAmongOthers;
    }),
  };
}

function readPollCeilings(settings: SettingReader): PollCeilings {
  const answerMib = settings.read("RINGBACK_ANSWER_MIB_MAX", wholeNumber(1, 256));
  return {
    intervalMsMin: settings.read("RINGBACK_POLL_INTERVAL_MS_MIN", wholeNumber(10, 60_000)) ?? 100,
    timeoutMsMax:
      settings.read("RINGBACK_POLL_TIMEOUT_MS_MAX", wholeNumber(1_000, 900_000)) ?? 360_000,
    concurrencyMax: settings.read("RINGBACK_POLL_CONCURRENCY_MAX", wholeNumber(1, 1024)) ?? 1024,
    requestsPerSecondMax: settings.read("RINGBACK_POLLS_PER_SECOND_MAX", perSecond),
    answerBytesMax: (answerMib ?? 256) * 2 ** 20,
  };
}

function mebibytes(count: number | null): number | null {
  return count === null ? null : count * 2 ** 20;
}

function readEncryptionKeys(settings: SettingReader, external: boolean): readonly Buffer[] | null {
  const name = "RINGBACK_ENCRYPTION_KEYS";
  const kind = listOf(encryptionKey, 100);
  // Keys in the data directory of one node would lock out every other node of a shared database.
  return external
    ? settings.require(name, kind, "is required with DATABASE_URL")
    : settings.read(name, kind);
}

/** Behind a proxy all clients have one address, so that alone is no limit unless it is set. */
function readClientConnections(settings: SettingReader): Config["clientConnections"] {
  const kind = wholeNumber(16, 1_000_000);
  const connectionsMax = settings.read("RINGBACK_CLIENT_CONNECTIONS_MAX", kind) ?? 4_096;
  const perAddress = settings.read("RINGBACK_CLIENT_CONNECTIONS_PER_ADDRESS_MAX", kind);
  return { connectionsMax, connectionsPerAddressMax: perAddress ?? connectionsMax };
}

function readRetrySchedule(settings: SettingReader): number[] {
  const schedule = settings.read("RINGBACK_RETRY_SCHEDULE_S", listOf(waitSeconds, 100));
  return retryScheduleMs(schedule ?? RETRY_SCHEDULE_S);
}

function describeUnknown(unknown: { name: string; nearest: string | null }): string {
  const hint = unknown.nearest === null ? "" : ` Did you mean ${unknown.nearest}?`;
  return `${unknown.name} is not a setting of Ringback.${hint}`;
}

const listenHost = textLike(/^[\w.:%-]+$/, "an IP address or a host name");
/** A shorter one can be guessed. Generated keys and secrets have twice as much. */
const SECRET_CHARACTERS_MIN = 16;
const SECRET_CHARACTERS_DIFFERENT_MIN = 8;

const apiKey: SettingKind<string> = {
  valid: `rb_ and at least ${SECRET_CHARACTERS_MIN} characters that cannot be guessed, printable ASCII without blanks; make one with: echo "rb_$(openssl rand -hex 32)"`,
  read(text) {
    if (!/^rb_[\x21-\x7e]+$/.test(text)) return { problem: "has the wrong form" };
    const problem = weakness(text.slice("rb_".length));
    if (problem !== null) return { problem };
    return apiKeyForm(text) === "malformed"
      ? { problem: "has a checksum that does not fit: it was not copied whole" }
      : { value: text };
  },
};

const metricsToken: SettingKind<string> = {
  valid: `at least ${SECRET_CHARACTERS_MIN} characters that cannot be guessed, printable ASCII without blanks; make one with: openssl rand -hex 32`,
  read(text) {
    if (!/^[\x21-\x7e]+$/.test(text)) return { problem: "has the wrong form" };
    const problem = weakness(text);
    return problem === null ? { value: text } : { problem };
  },
};

/** The reason why a secret can be guessed, or null. */
function weakness(secret: string): string | null {
  if (secret.length < SECRET_CHARACTERS_MIN) return "is too short and could be guessed";
  return isMonotonous(secret) ? "repeats few characters and could be guessed" : null;
}

/** Nothing random looks like that: it was made up by hand, or by a generator that failed. */
function isMonotonous(units: Iterable<string | number>): boolean {
  return new Set(units).size < SECRET_CHARACTERS_DIFFERENT_MIN;
}

const headerValue = textLike(/^[\x21-\x7e]+$/, "printable ASCII without blanks");

const postgresUrl: SettingKind<string> = {
  valid:
    "postgres://user:password@host:5432/database, also with several host:port between commas and target_session_attrs=any, read-write or primary",
  read(text) {
    const reading = readDatabaseUrl(text);
    return reading.kind === "ok" ? { value: text } : { problem: reading.problem };
  },
};

/** Sizes as Standard Webhooks 1.0.0 sets them. */
const signingSecret: SettingKind<string> = {
  valid:
    'whsec_ and the base64 of 24 to 64 random bytes; make one with: echo "whsec_$(openssl rand -base64 32)"',
  read(text) {
    if (!text.startsWith("whsec_")) return { problem: "does not start with whsec_" };
    const bytes = decodeBase64(text.slice("whsec_".length));
    if (bytes === null) return { problem: "is not base64 after whsec_" };
    if (bytes.length < 24) return { problem: "is too short" };
    if (bytes.length > 64) return { problem: "is too long" };
    return isMonotonous(bytes) ? { problem: "is not random" } : { value: text };
  },
};

const encryptionKey: SettingKind<Buffer> = {
  valid: "the base64 of 32 random bytes; make one with: openssl rand -base64 32",
  read(text) {
    const value = decodeBase64(text);
    if (value === null) return { problem: "is not base64" };
    if (value.length !== 32) return { problem: "does not have 32 bytes" };
    return isMonotonous(value) ? { problem: "is not random" } : { value };
  },
};

const waitSeconds: SettingKind<number> = {
  valid: "a number of seconds from 0.01 to 604800",
  read(text) {
    if (!/^\d{1,6}(\.\d+)?$/.test(text)) return { problem: "is not a number of seconds" };
    const value = Number(text);
    return value >= 0.01 && value <= 604_800 ? { value } : { problem: "is out of range" };
  },
};

const perSecond: SettingKind<number> = {
  valid: "a number from 0.01 to 100000",
  read(text) {
    if (!/^\d{1,6}(\.\d+)?$/.test(text)) return { problem: "is not a number" };
    const value = Number(text);
    return value >= 0.01 && value <= 100_000 ? { value } : { problem: "is out of range" };
  },
};

const cidr: SettingKind<EgressAllow["cidrs"][number]> = {
  valid: "a CIDR (10.0.0.0/8, fd00::/8) or an IP address",
  read(text) {
    const reading = readPlace(text.toLowerCase());
    if ("problem" in reading) return reading;
    const { value } = reading;
    return "prefixBits" in value ? { value } : { problem: "is neither an address nor a CIDR" };
  },
};

const nameServer: SettingKind<string> = {
  valid: "an IP address, or address:port ([::1]:53 for IPv6)",
  read(text) {
    if (isIP(text) !== 0) return { value: text };
    const reading = readHostPort(text);
    if ("problem" in reading) return { problem: "is not an IP address" };
    const { host } = reading.value;
    return isIP(host) === 0 ? { problem: "is not an IP address" } : { value: text };
  },
};

type Place = EgressAllow["cidrs"][number] | EgressAllow["hostPorts"][number];

interface Exemption {
  readonly place: Place;
  /** Null for every project. */
  readonly project: string | null;
}

const PROJECT = /^[A-Za-z0-9][\w.-]{0,62}$/;

const exemption: SettingKind<Exemption> = {
  valid:
    "a CIDR (10.0.0.0/8, fd00::/8), an IP address, or host:port ([::1]:8080 for IPv6), for one " +
    "project only with @ and its name or id (10.0.0.0/8@acme)",
  read(text) {
    const [where = "", project = null, ...more] = text.split("@");
    if (more.length > 0 || (project !== null && !PROJECT.test(project)))
      return { problem: "has something other than a project's name or id after @" };
    const reading = readPlace(where.toLowerCase());
    return "problem" in reading ? reading : { value: { place: reading.value, project } };
  },
};

function readPlace(text: string): Reading<Place> {
  const [address = "", bits, ...more] = text.split("/");
  const family = address.includes("%") ? 0 : isIP(address);
  if (family === 0) return readHostPort(text);
  const bitsMax = family === 4 ? 32 : 128;
  if (bits === undefined) return { value: { address, prefixBits: bitsMax } };
  const prefixBits = /^\d{1,3}$/.test(bits) ? Number(bits) : Infinity;
  if (more.length > 0 || prefixBits > bitsMax) return { problem: "has a wrong prefix length" };
  return { value: { address, prefixBits } };
}

function readHostPort(text: string): Reading<EgressAllow["hostPorts"][number]> {
  const [, bracketed, name, digits] = /^(?:\[([^\]]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? name;
  const port = Number(digits);
  if (host === undefined) return { problem: "is neither an address, a CIDR nor host:port" };
  if (bracketed !== undefined && isIP(bracketed) !== 6)
    return { problem: "is not an IPv6 address" };
  return port >= 1 && port <= 65_535 ? { value: { host, port } } : { problem: "has a wrong port" };
}

function byProject(exemptions: readonly Exemption[]): ProjectEgressAllow {
  const placesOf = (project: string | null): EgressAllow =>
    byForm(exemptions.filter((one) => one.project === project).map(({ place }) => place));
  const projects = new Set(exemptions.flatMap(({ project }) => project ?? []));
  return {
    everybody: placesOf(null),
    projects: Array.from(projects, (project) => ({ project, allow: placesOf(project) })),
  };
}

function byForm(places: readonly Place[]): EgressAllow {
  return {
    cidrs: places.filter((item) => "prefixBits" in item),
    hostPorts: places.filter((item) => "port" in item),
  };
}

/** Null for anything but base64 in its one proper spelling; Node's decoder skips what it can't read. */
function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : null;
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value) as unknown[]) {
    // Bytes can't be frozen.
    if (typeof part === "object" && part !== null && !ArrayBuffer.isView(part)) deepFreeze(part);
  }
  return Object.freeze(value);
}
