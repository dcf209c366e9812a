import type { Config } from "../../config.ts";
import type { Log } from "../../runtime/process/log.ts";
import { type Database, openDatabase } from "../../store/db/database.ts";
import { findEmbeddedPostgres, startEmbeddedPostgres } from "../../embedded-postgres/start.ts";
import { checkMigrated, migrate } from "../../store/db/migrate.ts";
import { distribute } from "../../store/db/distribute.ts";

const CLOSE_TIMEOUT_MS = 1_000;
const STATEMENT_TIMEOUT_MS = 15_000;

/**
 * Opens the database of these settings for one command of the operator, whether a gateway uses it or
 * not. The embedded Postgres is used as it runs beside a gateway; otherwise it is started for a moment.
 * Rejects with a `StartRefusedError` when the database cannot be used or is behind this program.
 * @param applicationName shown by `pg_stat_activity`
 */
export async function withOperatorDatabase<T>(
  {
    config,
    log,
    applicationName,
  }: {
    readonly config: Config;
    readonly log: Log;
    readonly applicationName: string;
  },
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const started: { stop(): Promise<void> }[] = [];
  try {
    const database = await openDatabase({
      url: await databaseUrl(config, log, started),
      connectionsMax: 1,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      applicationName,
      log,
    });
    started.push({ stop: () => database.close(CLOSE_TIMEOUT_MS) });
    await checkMigrated(database);
    return await work(database);
  } finally {
    for (const part of started.toReversed()) await part.stop();
  }
}

async function databaseUrl(
  { database }: Config,
  log: Log,
  started: { stop(): Promise<void> }[],
): Promise<string> {
  if (database.kind === "external") return database.url;
  const running = await findEmbeddedPostgres({ dataDir: database.dataDir, log });
  if (running !== null) return running;
  const postgres = await startEmbeddedPostgres({ dataDir: database.dataDir, log });
  started.push(postgres);
  return postgres.url;
}

const MIGRATION_STATEMENT_TIMEOUT_MS = 600_000;

/**
 * Brings the database up to date and leaves, as a deployment does before it starts new nodes.
 * @param distributes whether the rows about jobs are then spread over the workers of Citus
 */
export async function migrateOnly(config: Config, log: Log, distributes: boolean): Promise<void> {
  const postgres =
    config.database.kind === "embedded"
      ? await startEmbeddedPostgres({ dataDir: config.database.dataDir, log })
      : null;
  try {
    const url = config.database.kind === "external" ? config.database.url : (postgres?.url ?? "");
    const database = await openDatabase({
      url,
      connectionsMax: 1,
      statementTimeoutMs: MIGRATION_STATEMENT_TIMEOUT_MS,
      applicationName: "ringback migrate",
      log,
    });
    try {
      await migrate(database);
      if (distributes) log.info({ tables: await distribute(database) }, "tables were distributed");
    } finally {
      await database.close(CLOSE_TIMEOUT_MS);
    }
    log.info("the database is up to date");
  } finally {
    await postgres?.stop();
  }
}
