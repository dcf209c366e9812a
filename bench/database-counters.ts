import { setTimeout as wait } from "node:timers/promises";
import type { Sql } from "postgres";
import type { BenchGateway } from "./gateway.ts";

/** A backend tells what it has written once a second at most, after a statement. */
const TELL_INTERVAL_MS = 1000;
/** At least as many as the gateway has connections. */
const READS_AT_ONCE = 24;

/**
 * Has Postgres count statements, from its next start on: the gateway is restarted for that. They
 * are counted by the extension that comes with the embedded Postgres.
 */
export async function restartCountingStatements(gateway: BenchGateway): Promise<void> {
  const sql = await gateway.openDatabase();
  await sql`alter system set shared_preload_libraries = 'pg_stat_statements'`;
  await sql`create extension if not exists pg_stat_statements`;
  await sql.end();
  await gateway.stop();
  await gateway.start();
}

/** Statements that were run so far, each BEGIN and COMMIT counted too, but not those of this count. */
export async function countStatements(sql: Sql): Promise<number> {
  const [row] = await sql<{ calls: number }[]>`
    select sum(calls)::float8 as calls from pg_stat_statements
    where query not ilike '%pg_stat_%'`;
  return row?.calls ?? Number.NaN;
}

/**
 * Rows that were inserted, updated or deleted so far in the tables about jobs. (What the node's
 * lease writes every few seconds has nothing to do with how many jobs there are.) Call it when
 * the gateway is at rest.
 */
export async function countRowsWritten(gateway: BenchGateway, sql: Sql): Promise<number> {
  await wait(TELL_INTERVAL_MS);
  const readOne = (): Promise<unknown> => gateway.call("GET", "/v1/subscriptions?limit=1");
  await Promise.all(Array.from({ length: READS_AT_ONCE }, readOne));
  const [row] = await sql<{ rows: number }[]>`
    select sum(n_tup_ins + n_tup_upd + n_tup_del)::float8 as rows from pg_stat_user_tables
    where relname in ('jobs', 'subscriptions', 'events', 'deliveries', 'attempts', 'mailbox', 'idempotency_keys')`;
  return row?.rows ?? Number.NaN;
}

/**
 * Has Postgres look at its tables, as autovacuum does within a minute. Until then statements that were
 * planned for empty tables read all of `jobs`, and the more often the faster it grows, which says nothing
 * about a database that has been running for a while.
 */
export async function analyzeTables(gateway: BenchGateway): Promise<void> {
  const sql = await gateway.openDatabase();
  await sql`analyze`;
  await sql.end();
}
