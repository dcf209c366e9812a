import type { Config } from "../config.ts";
import type { Log } from "../runtime/process/log.ts";
import { openDatabase } from "../store/db/database.ts";
import { distribute } from "../store/db/distribute.ts";
import { startEmbeddedPostgres } from "../embedded-postgres/start.ts";
import { migrate } from "../store/db/migrate.ts";

const CLOSE_TIMEOUT_MS = 1_000;
const STATEMENT_TIMEOUT_MS = 600_000;

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
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
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
