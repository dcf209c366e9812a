import { drizzle } from "drizzle-orm/postgres-js";
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import type { Sql, TransactionSql } from "postgres";

export type { Sql, TransactionSql };
export type Orm = PostgresJsDatabase;

/** A pool of connections, seen through postgres.js and through Drizzle. */
export interface Client {
  readonly sql: Sql;
  readonly orm: Orm;
}

export interface ClientOptions {
  readonly url: string;
  readonly connectionsMax: number;
  readonly statementTimeoutMs: number;
  readonly applicationName: string;
  readonly onNotice: (message: string) => void;
}

/** What libpq and other drivers read from a URL; postgres.js would send it on to the server. */
const FOREIGN_URL_PARAMETERS = [
  "channel_binding",
  "gssencmode",
  "pgbouncer",
  "connection_limit",
  "pool_timeout",
];

/**
 * A pool that connects when first used.
 *
 * How values travel:
 * - JSON goes as one *text* parameter, `json_to_recordset(${text}::text::json)`. postgres.js runs
 *   what Postgres infers as `json` through JSON.stringify, so that the text given to `${text}::json`
 *   arrives as one JSON string. Drizzle turns that off for a client it wraps; the first cast
 *   pins the parameter to `text` and makes the statement right with either.
 * - `bigint` and `numeric` come back as strings; cast to `int` or `float8` what is to be a number,
 *   `count(*)` included.
 * - Times go as epoch milliseconds through `to_timestamp`, and come back through `date_part`:
 *   Drizzle turns off this client's own conversion of dates. Both ways as float8, since the
 *   same arithmetic with `numeric` takes Postgres some 0.3 µs longer each time.
 * - An array of booleans is taken for a boolean; use JSON.
 */
export function createClient(options: ClientOptions): Client {
  const sql = postgres(withoutForeignParameters(options.url), {
    max: options.connectionsMax,
    connect_timeout: 10,
    keep_alive: 30,
    // Managed servers drop idle connections without a word.
    idle_timeout: 240,
    max_lifetime: 45 * 60,
    // A server that is back is used within a second or two; the driver would wait up to 20 s.
    backoff: (failures: number) => Math.min(1, 0.05 * 2 ** failures),
    onnotice: (notice) => options.onNotice(notice["message"] ?? ""),
    connection: {
      application_name: options.applicationName,
      ...(isPooled(options.url) ? {} : serverSideLimits(options.statementTimeoutMs)),
    },
  });
  return { sql, orm: drizzle(sql) };
}

/**
 * `?prepare=false` says that a pooler in transaction mode lies between. Those refuse unknown
 * start-up parameters, and what one client sets another gets: there only the client's deadline
 * counts, and a limit on the server belongs to the role (`ALTER ROLE … SET statement_timeout`).
 */
function isPooled(url: string): boolean {
  return /[?&]prepare=false\b/.test(url);
}

function serverSideLimits(statementTimeoutMs: number): Record<string, number> {
  return {
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
  };
}

function withoutForeignParameters(url: string): string {
  const [base = "", query = ""] = url.split(/\?(.*)/s);
  const parameters = new URLSearchParams(query);
  for (const name of FOREIGN_URL_PARAMETERS) parameters.delete(name);
  return parameters.size === 0 ? base : `${base}?${parameters.toString()}`;
}

/** The URL without password and parameters, fit for a log. Takes anything, also what is no URL. */
export function redactUrl(url: string): string {
  const [base = ""] = url.split("?");
  const match = /^(?<scheme>[a-z]+:\/\/)(?:(?<user>[^:@/]*)(?::.*)?@)?(?<rest>[^@]*)$/is.exec(base);
  if (match?.groups === undefined) return "(not a URL)";
  const { scheme, user, rest } = match.groups;
  return `${scheme}${user === undefined ? "" : `${user}:***@`}${rest}`;
}

/**
 * When a transaction's connection is lost while its callback does something else, the driver
 * would run the callback's next statement on a new connection, outside of any transaction.
 */
export function refusingWhen(isLost: () => boolean, sql: TransactionSql): TransactionSql {
  return new Proxy(sql, {
    apply(target, self, args) {
      if (isLost()) throw new Error("the transaction is over");
      return Reflect.apply(target, self, args) as unknown;
    },
  });
}
