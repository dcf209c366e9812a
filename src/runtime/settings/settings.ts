/** The documentation of a setting. */
interface SettingText {
  /** Its effect, as a sentence without its subject. Markdown. */
  readonly meaning: string;
  /** The behavior while it is not set. Markdown. */
  readonly byDefault: string;
}

/**
 * Every environment variable that is read, in the order of the documentation; those that set limits
 * of projects are in `core/limits/project-limits.ts`. `docs/reference/settings.md` is written from this
 * list by `npm run reference`. Validation is where each is read (`config.ts`).
 */
export const SETTINGS = {
  PORT: { meaning: "Port of the listener. 0 picks a free one.", byDefault: "`8080`" },
  HOST: {
    meaning: "Address of the listener.",
    byDefault: "`127.0.0.1`; `0.0.0.0` in the image",
  },
  DATABASE_URL: {
    meaning: "A Postgres of your own, 15 or newer. May name several servers.",
    byDefault: "an embedded Postgres in `DATA_DIR`",
  },
  DATA_DIR: {
    meaning: "Folder of the embedded database and the generated keys.",
    byDefault: "`.ringback`",
  },
  RINGBACK_API_KEY: {
    meaning: "An API key with all rights on the project `default`.",
    byDefault: "generated at the first start",
  },
  RINGBACK_URL: {
    meaning:
      "Address of the gateway that commands such as `ringback list` talk to; nothing to the gateway itself.",
    byDefault: "the current profile's, else `http://127.0.0.1:8080`",
  },
  RINGBACK_PROFILE: {
    meaning: "The saved profile that such commands use; nothing to the gateway itself.",
    byDefault: "the one that `ringback login` saved last",
  },
  RINGBACK_SIGNING_SECRET: {
    meaning:
      "The secret that callbacks of the project `default` are signed with, until it is rotated.",
    byDefault: "generated at the first start",
  },
  RINGBACK_ENCRYPTION_KEYS: {
    meaning:
      "Keys that protect stored credentials and secrets. The first encrypts, all of them decrypt.",
    byDefault: "generated in `DATA_DIR`; required with `DATABASE_URL`",
  },
  PULSE_API_KEY: {
    meaning: "Credential of the connection `default` of the provider `pulse`.",
    byDefault: "no such connection",
  },
  PULSE_BASE_URL: {
    meaning: "Address of that connection's API.",
    byDefault: "`https://api.runpulse.com`",
  },
  RINGBACK_EGRESS_ALLOW: {
    meaning:
      "Exceptions to the [egress rules](../operations.md#where-requests-go): destinations that need not be public, or https.",
    byDefault: "none",
  },
  RINGBACK_NAME_SERVERS: {
    meaning: "Name servers that host names are looked up at.",
    byDefault: "those of `/etc/resolv.conf`",
  },
  RINGBACK_PUBLIC_URL: {
    meaning: "Address of this gateway as others reach it, for `result_url`.",
    byDefault: "the listener's",
  },
  RINGBACK_CLIENT_CONNECTIONS_MAX: {
    meaning:
      "Connections to the listener at once. Beyond it, the address with the most loses its idlest.",
    byDefault: "`4096`, or half of the files that the process may open",
  },
  RINGBACK_CLIENT_CONNECTIONS_PER_ADDRESS_MAX: {
    meaning: "The same of one address, for a gateway that is not behind a proxy.",
    byDefault: "no limit of its own",
  },
  RINGBACK_METRICS_TOKEN: {
    meaning: "Bearer token that `/metrics` asks for.",
    byDefault: "none; what names tenants is then shown on this machine only",
  },
  RINGBACK_TRUSTED_PROXIES: {
    meaning: "Proxies whose `X-Forwarded-For` is believed.",
    byDefault: "none",
  },
  RINGBACK_PROVIDERS_DIR: {
    meaning: "Folder of [provider definitions](../providers.md), one in each `.json` file.",
    byDefault: "none",
  },
  RINGBACK_SANDBOX: {
    meaning: "Whether the sandbox is served. Anybody who reaches the gateway can read it.",
    byDefault: "`1` on loopback without `DATABASE_URL`, else `0`",
  },
  RINGBACK_CONSOLE: {
    meaning: "Whether the web console is served at `/console`.",
    byDefault: "`1`",
  },
  RINGBACK_MIGRATE: {
    meaning: "Whether a start brings the database up to date.",
    byDefault: "`1`",
  },
  RINGBACK_RETRY_SCHEDULE_S: {
    meaning: "Seconds to wait after the first, second, … failed attempt of a delivery.",
    byDefault: "`5,30,120,600,1800,3600,10800,21600,43200,86400,86400`",
  },
  RINGBACK_CALLBACK_TIMEOUT_MS: {
    meaning: "Time that a receiver has to answer, response body included.",
    byDefault: "`15000`",
  },
  RINGBACK_TRANSFER_BYTES_PER_SECOND_MIN: {
    meaning: "Bytes a second, on average over 30 s, below which an answer is given up.",
    byDefault: "`1024`; `0` for no such limit",
  },
  RINGBACK_CALLBACK_CONCURRENCY: {
    meaning: "Callbacks of one project to one origin at once.",
    byDefault: "`32`",
  },
  RINGBACK_CALLBACK_REQUESTS_PER_SECOND: {
    meaning: "Callbacks of one project to one origin each second.",
    byDefault: "no limit",
  },
  RINGBACK_VIA_CONNECT_TIMEOUT_MS: {
    meaning: "Time that connecting to an upstream may take for a request sent through `/via`.",
    byDefault: "`10000`",
  },
  RINGBACK_VIA_IDLE_TIMEOUT_MS: {
    meaning: "A request sent through `/via` is given up when nothing has moved for so long.",
    byDefault: "`120000`",
  },
  RINGBACK_VIA_STORE_TIMEOUT_MS: {
    meaning:
      "The answer to a submission through `/via` is held back for so long while its subscription can't be stored.",
    byDefault: "`30000`",
  },
  RINGBACK_INLINE_RESULT_BYTES_MAX: {
    meaning: "Results above this are sent as `result_url`.",
    byDefault: "`262144`",
  },
  RINGBACK_FETCHED_RESULT_BYTES_MAX: {
    meaning: "A result that is a link is not fetched if it is larger than this.",
    byDefault: "`104857600`",
  },
  RINGBACK_RESULT_LINK_TTL_S: {
    meaning: "How long a link to a result works, in seconds.",
    byDefault: "`86400`",
  },
  RINGBACK_REDELIVERIES_PER_SECOND: {
    meaning: "Pace of a redelivery of many, unless its request sets another.",
    byDefault: "`100`",
  },
  RINGBACK_RETENTION_DAYS: {
    meaning: "How long ended jobs are kept, with their results, deliveries and attempts.",
    byDefault: "`30`",
  },
  RINGBACK_AUDIT_RETENTION_DAYS: {
    meaning: "How long entries of the audit log are kept; of each project 100,000 at most.",
    byDefault: "`365`",
  },
  RINGBACK_DRAIN_MS: {
    meaning: "How long a stop continues to serve while `/readyz` already answers 503.",
    byDefault: "`4000`; `0` on a terminal or without `DATABASE_URL`",
  },
  RINGBACK_SHUTDOWN_TIMEOUT_MS: {
    meaning: "After this time, counted from the end of the drain, a stop aborts what still runs.",
    byDefault: "`8000`",
  },
  RINGBACK_POLL_INTERVAL_MS_MIN: {
    meaning:
      "Shortest wait between two polls of a job, whatever its definition or its connection asks for.",
    byDefault: "`100`",
  },
  RINGBACK_POLL_TIMEOUT_MS_MAX: {
    meaning: "Longest time that one poll may take, whatever its definition asks for.",
    byDefault: "`360000`",
  },
  RINGBACK_POLL_CONCURRENCY_MAX: {
    meaning: "Polls of a connection at once, whatever it asks for.",
    byDefault: "`1024`",
  },
  RINGBACK_POLLS_PER_SECOND_MAX: {
    meaning: "Polls of a connection a second, whatever it asks for.",
    byDefault: "no limit",
  },
  RINGBACK_ANSWER_MIB_MAX: {
    meaning:
      "Largest response that is read, as it is sent. Never more than half of the memory for large ones.",
    byDefault: "`256`",
  },
  RINGBACK_MEMORY_MIB: {
    meaning: "Memory to plan with. Large responses and request bodies get parts of it.",
    byDefault: "that of the machine or container",
  },
  LOG_LEVEL: { meaning: "The least important lines to log.", byDefault: "`info`" },
  LOG_FORMAT: {
    meaning: "Format of the log.",
    byDefault: "`pretty` on a terminal, else `json`",
  },
} as const satisfies Readonly<Record<string, SettingText>>;

export type SettingName = keyof typeof SETTINGS;
