/**
 * How a limit is counted.
 * - `stock`: things that exist, over all nodes.
 * - `concurrency`: things in progress at once, on each node.
 * - `rate`: things per second, on each node.
 */
type ProjectLimitKind = "stock" | "concurrency" | "rate";

/** One limit on what a project may make the gateway do or keep. */
interface ProjectLimit {
  readonly kind: ProjectLimitKind;
  readonly unit: string;
  /** For projects for which neither the environment nor the operator says otherwise. */
  readonly byDefault: number;
  /** The same while the gateway has other projects too, where that is less. */
  readonly byDefaultAmongOthers?: number;
  /** In one sentence: what counts against it. The documentation and the API show it. */
  readonly counts: string;
  /** The environment variable with the default, where it has another name than its limit. */
  readonly environment?: "RINGBACK_LIVE_JOBS_MAX";
}

const MIB = 1024 * 1024;

/**
 * Everything that a project can use up, and how much of it. The environment variables, the command
 * `project set-limit`, the `limits` of `GET /v1/project`, the metrics and docs/project-limits.md all
 * come from this list or are checked against it.
 */
const PROJECT_LIMITS = {
  live_jobs: {
    kind: "stock",
    unit: "jobs",
    byDefault: 2_000_000,
    counts: "Jobs that are watched now.",
    environment: "RINGBACK_LIVE_JOBS_MAX",
  },
  reading_ms_per_second: {
    kind: "rate",
    unit: "milliseconds",
    byDefault: 500,
    counts:
      "Time of the event loop that reading answers of upstreams takes; polls wait for their turn.",
  },
  live_subscriptions: {
    kind: "stock",
    unit: "subscriptions",
    byDefault: 5_000_000,
    counts:
      "Subscriptions to jobs that are watched now; what has ended since is seen seconds later.",
  },
  subscriptions_per_job: {
    kind: "stock",
    unit: "subscriptions",
    byDefault: 1_000_000,
    counts:
      "Subscriptions made to one job until it ends, closed ones included; later ones do not count.",
  },
  owed_deliveries: {
    kind: "stock",
    unit: "deliveries",
    byDefault: 5_000_000,
    counts: "Deliveries that are not delivered or given up yet, as they were counted seconds ago.",
  },
  stored_bytes: {
    kind: "stock",
    unit: "bytes",
    byDefault: 1024 * 1024 * MIB,
    byDefaultAmongOthers: 100 * 1024 * MIB,
    counts:
      "Results that are kept, and 1 KiB for each job and each subscription with its parameters, callback URL, metadata, headers and secret, as they were counted seconds ago; of very many by a sample.",
  },
  requests_per_second: {
    kind: "rate",
    unit: "requests",
    byDefault: 20_000,
    byDefaultAmongOthers: 2_000,
    counts:
      "Requests with a key of the project, those to `/via/…` included; as many may come at once after a quiet second.",
  },
  request_bytes: {
    kind: "concurrency",
    unit: "bytes",
    byDefault: 24 * MIB,
    counts: "Request bodies above 16 KiB until they are answered; more wait for their turn.",
  },
  answer_bytes: {
    kind: "concurrency",
    unit: "bytes",
    byDefault: 128 * MIB,
    counts:
      "Answers of upstreams above 64 KiB that are being received and read; more polls wait for their turn.",
  },
  downloads_running: {
    kind: "concurrency",
    unit: "downloads",
    byDefault: 16,
    counts: "Results behind links that are being downloaded; more wait for their turn.",
  },
  subscriptions_accepting: {
    kind: "concurrency",
    unit: "subscriptions",
    byDefault: 1_000,
    counts:
      "Subscriptions, items of batches included, that are being stored; more wait for their turn.",
  },
  result_readers: {
    kind: "concurrency",
    unit: "requests",
    byDefault: 50,
    counts: "Results above 256 KiB that are being read, by link or with a key.",
  },
  connections: {
    kind: "stock",
    unit: "connections",
    byDefault: 20_000,
    counts: "Connections that exist or were made in the last 24 hours.",
  },
  definitions: {
    kind: "stock",
    unit: "definitions",
    byDefault: 200,
    counts: "Providers of the project's own.",
  },
  definition_versions: {
    kind: "stock",
    unit: "versions",
    byDefault: 2_000,
    counts: "Versions of all of them, older ones and those of deleted providers included.",
  },
  api_keys: {
    kind: "stock",
    unit: "keys",
    byDefault: 10_000,
    counts: "API keys that are good or were made in the last 24 hours.",
  },
  signing_secrets: {
    kind: "stock",
    unit: "secrets",
    byDefault: 100,
    counts: "Signing secrets and keys that sign or were made in the last 24 hours.",
  },
  inboxes: {
    kind: "stock",
    unit: "inboxes",
    byDefault: 1_000,
    counts: "Inboxes that exist or were deleted in the last 24 hours.",
  },
  inbox_consumers: {
    kind: "stock",
    unit: "consumers",
    byDefault: 10_000,
    counts: "Named consumers of all inboxes.",
  },
  inbox_unread_bytes: {
    kind: "stock",
    unit: "bytes",
    byDefault: 10 * 1024 * MIB,
    counts:
      "Messages of inboxes that no consumer has acknowledged, as they were counted seconds ago.",
  },
  inbox_pages_running: {
    kind: "concurrency",
    unit: "pages",
    byDefault: 2,
    counts: "Pages of inboxes that are being read and signed at once; more wait for their turn.",
  },
  redeliveries_running: {
    kind: "stock",
    unit: "redeliveries",
    byDefault: 10,
    counts: "Redeliveries of many that have not ended.",
  },
  redeliveries: {
    kind: "stock",
    unit: "redeliveries",
    byDefault: 10_000,
    counts:
      "Redeliveries of many that were made in the last 24 hours, those that counted only included.",
  },
  console_links: {
    kind: "stock",
    unit: "links",
    byDefault: 20_000,
    counts: "Links to the console that have not ended or were made in the last 24 hours.",
  },
  operational_events: {
    kind: "stock",
    unit: "events",
    byDefault: 10_000,
    counts:
      "Operational events that are kept, one for each origin, connection or provider, until a day after they were sent; of more of these nothing is reported.",
  },
  requests_waiting: {
    kind: "concurrency",
    unit: "requests",
    byDefault: 2_000,
    counts:
      "Requests that wait for a job or for messages, streams included; more wait a moment, then are refused.",
  },
  callback_tests_running: {
    kind: "concurrency",
    unit: "requests",
    byDefault: 20,
    counts: "Callback URLs that are being tried with `POST /v1/callbacks/test`.",
  },
  lists_running: {
    kind: "concurrency",
    unit: "requests",
    byDefault: 2,
    counts:
      "Requests for a list that read the database at once; more wait for their turn, then are refused.",
  },
  database_calls: {
    kind: "concurrency",
    unit: "calls",
    byDefault: 8,
    byDefaultAmongOthers: 3,
    counts:
      "Calls to the database that requests and redeliveries make at once; more wait for their turn.",
  },
  name_lookups: {
    kind: "concurrency",
    unit: "lookups",
    byDefault: 8,
    counts: "Host names that are being looked up at once; more wait for their turn.",
  },
  via_requests: {
    kind: "concurrency",
    unit: "requests",
    byDefault: 256,
    counts: "Requests that are being sent through the gateway (`/via/…`); more are refused.",
  },
  via_answer_bytes: {
    kind: "concurrency",
    unit: "bytes",
    byDefault: 64 * MIB,
    counts:
      "Answers through `/via/…` above 64 KiB that are held until their job is known; more wait a moment, then pass without a subscription.",
  },
  outbox_deliveries: {
    kind: "concurrency",
    unit: "deliveries",
    byDefault: 150_000,
    counts: "Callbacks in memory that are due about now; more wait in the database.",
  },
  outbox_bytes: {
    kind: "concurrency",
    unit: "bytes",
    byDefault: 192 * MIB,
    counts: "Memory of those callbacks; more wait in the database.",
  },
  upstream_connections: {
    kind: "concurrency",
    unit: "connections",
    byDefault: 1024,
    counts: "Connections to upstreams, idle ones included; more requests wait for their turn.",
  },
  callback_connections: {
    kind: "concurrency",
    unit: "connections",
    byDefault: 512,
    counts: "Connections to receivers, idle ones included; more callbacks wait for their turn.",
  },
  connections_opening: {
    kind: "concurrency",
    unit: "connections",
    byDefault: 128,
    counts:
      "Connections that are being opened, to upstreams and to receivers each; more wait for their turn.",
  },
} as const satisfies Readonly<Record<string, ProjectLimit>>;

export type ProjectLimitName = keyof typeof PROJECT_LIMITS;

/** A value for each limit. */
export type ProjectLimitValues = Readonly<Record<ProjectLimitName, number>>;

/** Limits of projects for which the operator has set no others. */
export interface ProjectLimitDefaults {
  /** While there is one project. */
  readonly alone: ProjectLimitValues;
  readonly amongOthers: ProjectLimitValues;
}

/** The largest value that a limit in bytes can be set to. */
const BYTES_MAX = 1_000_000_000_000_000;
/** The same for every other limit. */
const COUNT_MAX = 1_000_000_000;

/** In the order of the documentation. */
export const PROJECT_LIMIT_NAMES: readonly ProjectLimitName[] = Object.keys(
  PROJECT_LIMITS,
) as ProjectLimitName[];

/** Asks for and counts limits. Passed to everything that holds a project to one. */
export interface ProjectLimits {
  /** The project's limit: a lookup in memory that allocates nothing. */
  allowed(projectId: string, name: ProjectLimitName): number;
  /** How many live jobs the project may have: as many as are allowed, or fewer that it set itself. */
  liveJobsMax(projectId: string): number;
  /** Counts that a project was refused something, or had to give up waiting for it. */
  refused(name: ProjectLimitName): void;
  /** Tells how the use of a limit is read from memory, for the API and the metrics. Once a limit. */
  measuredBy(name: ProjectLimitName, read: (projectId: string) => number): void;
}

/** One entry of the list, without its own literal types. */
export function limitOf(name: ProjectLimitName): ProjectLimit {
  return PROJECT_LIMITS[name];
}

/** The name of an environment variable that sets a limit. */
export type ProjectLimitSetting = "RINGBACK_LIVE_JOBS_MAX" | `RINGBACK_PROJECT_${string}`;

/** The environment variable that sets the default of all projects. */
export function environmentNameOf(name: ProjectLimitName): ProjectLimitSetting {
  return limitOf(name).environment ?? `RINGBACK_PROJECT_${name.toUpperCase()}`;
}

/** The largest value that this limit can be set to. */
export function limitMaxOf(name: ProjectLimitName): number {
  return limitOf(name).unit === "bytes" ? BYTES_MAX : COUNT_MAX;
}

/** A value for each limit, by its name. */
export function eachLimit<Value>(
  valueOf: (name: ProjectLimitName) => Value,
): Record<ProjectLimitName, Value> {
  return Object.fromEntries(PROJECT_LIMIT_NAMES.map((name) => [name, valueOf(name)])) as Record<
    ProjectLimitName,
    Value
  >;
}
