import { sql } from "drizzle-orm";
import { StartRefusedError } from "../../runtime/process/fatal-errors.ts";
import type { Sql } from "../connection/connection.ts";
import { template } from "../sql/statement.ts";
import type { PooledDatabase } from "./database.ts";

/*
 * On Citus the rows about jobs are distributed over its workers by `shard_id`. The other tables are
 * small and stay on the coordinator; statements that join them with a distributed table go through
 * the coordinator.
 */

/**
 * The first is distributed, and the others are colocated with it: all rows of a job are on one
 * worker.
 */
export const DISTRIBUTED_TABLES = [
  "jobs",
  "subscriptions",
  "events",
  "deliveries",
  "attempts",
  "mailbox",
  "idempotency_keys",
  "result_parts",
  "fetched_results",
  "operational_events",
  "redeliveries",
  "fan_outs",
] as const;

const TIMEOUT_MS = 10 * 60_000;

/** The database can't be distributed; the message says what to do. */
export class NotDistributableError extends StartRefusedError {
  override readonly name = "NotDistributableError";
}

/**
 * Distributes the tables that are not distributed yet, with as many Citus shards as there are
 * workers: each further one makes every statement of a batch more expensive. Run it again after a
 * migration that adds a table. Throws `NotDistributableError` where Citus is not installed.
 * @param hasCitus for tests, which have none
 * @returns the tables that were distributed
 */
export async function distribute(
  database: PooledDatabase,
  hasCitus: (sql: Sql) => Promise<boolean> = hasExtension,
): Promise<readonly string[]> {
  return database.dedicated("distribute", { timeoutMs: TIMEOUT_MS }, async ({ sql: on }) => {
    if (!(await hasCitus(on))) throw new NotDistributableError(NO_CITUS);
    const workers = await countWorkers(on);
    const known = await distributedTables(on);
    const missing = DISTRIBUTED_TABLES.filter((table) => !known.has(table));
    for (const table of missing) {
      await on.unsafe(statementFor(table, workers));
    }
    return missing;
  });
}

function statementFor(table: string, workers: number): string {
  const [first] = DISTRIBUTED_TABLES;
  const placement = table === first ? `shard_count := ${workers}` : `colocate_with := '${first}'`;
  return `select create_distributed_table('${table}', 'shard_id', ${placement})`;
}

const NO_CITUS =
  "The database can't be distributed: it has no Citus extension. Run it on a Citus coordinator " +
  "(shared_preload_libraries = 'citus', then create extension citus), or leave out --distribute: " +
  "plain Postgres needs none.";

const FIND_EXTENSION = template(() => sql`select from pg_extension where extname = 'citus'`);

async function hasExtension(on: Sql): Promise<boolean> {
  return (await FIND_EXTENSION(on, {})).length > 0;
}

/** Workers that take data; a coordinator without workers takes it itself. */
const COUNT_WORKERS = template(
  () => sql<{ count: number }>`
select count(*)::int as count from pg_dist_node where noderole = 'primary' and shouldhaveshards
`,
);

async function countWorkers(on: Sql): Promise<number> {
  const [row] = await COUNT_WORKERS(on, {});
  return Math.max(1, row?.count ?? 0);
}

const DISTRIBUTED = template(
  () => sql<{ name: string }>`
select logicalrelid::text as name from pg_dist_partition where partmethod = 'h'
`,
);

async function distributedTables(on: Sql): Promise<ReadonlySet<string>> {
  const rows = await DISTRIBUTED(on, {});
  return new Set(rows.map(({ name }) => name));
}
