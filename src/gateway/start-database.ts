import type { Config } from "../config.ts";
import { startEmbeddedPostgres } from "../embedded-postgres/start.ts";
import type { DatabaseClock } from "../runtime/clock.ts";
import type { Log } from "../runtime/process/log.ts";
import type { Random } from "../runtime/runtime.ts";
import { openDatabase, type PooledDatabase } from "../store/db/database.ts";
import { DatabaseMonitor } from "../store/db/database-monitor.ts";
import { checkMigrated, migrate } from "../store/db/migrate.ts";
import { setByDatabase } from "../store/db/read-clock.ts";
import type { RetryTransient } from "../store/db/retry-transient.ts";
import { endAllLeases } from "../store/nodes.ts";

const CONNECTIONS_MAX = 12;
const STATEMENT_TIMEOUT_MS = 15_000;
const CLOSE_TIMEOUT_MS = 1_000;

interface StartDatabaseOptions {
  readonly config: Config;
  readonly clock: DatabaseClock;
  readonly random: Random;
  readonly log: Log;
  /** Gives up the start. */
  readonly signal?: AbortSignal;
}

/**
 * Starts the embedded Postgres unless there is another, and brings the schema and the clock up to date.
 * @param started grows by one step for each part to be stopped
 */
export async function startDatabase(
  { config, clock, random, log, signal }: StartDatabaseOptions,
  started: (() => Promise<void>)[],
  retry: RetryTransient,
): Promise<PooledDatabase> {
  let url = config.database.kind === "external" ? config.database.url : "";
  if (config.database.kind === "embedded") {
    const postgres = await startEmbeddedPostgres({ dataDir: config.database.dataDir, log });
    started.push(() => postgres.stop());
    url = postgres.url;
  }
  signal?.throwIfAborted();
  const database = await openDatabase({
    url,
    ...(signal && { signal }),
    connectionsMax: CONNECTIONS_MAX,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    applicationName: "ringback",
    clock,
    log,
  });
  started.push(() => database.close(CLOSE_TIMEOUT_MS));
  signal?.throwIfAborted();
  if (config.migrate) await migrate(database);
  else await retry("schema", () => checkMigrated(database));
  // The data directory is this process's alone, so a process that held a lease in it is dead.
  if (config.database.kind === "embedded")
    await retry("leases of earlier processes", () => endAllLeases(database));
  await retry("database connections", () => database.openConnections());
  await retry("time of the database", () => setByDatabase(clock, database));
  const monitor = new DatabaseMonitor({ clock, log, random }, database);
  await monitor.start();
  started.push(() => monitor.stop());
  return database;
}
