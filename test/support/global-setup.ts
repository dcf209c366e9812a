import { existsSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { openDatabase } from "../../src/store/db/database.ts";
import { startEmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import type { EmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import { migrate } from "../../src/store/db/migrate.ts";
import { isProcessAlive } from "../../src/embedded-postgres/postmaster.ts";
import { quietLog } from "./quiet-log.ts";
import { TEMPLATE, urlOfDatabase } from "./database.ts";
import { abandonedFolders } from "./memory-files.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The test server's maintenance database. */
    postgresUrl: string;
  }
}

const PREFIX = "ringback-test-";
/** A Postgres to run on instead, as `test/postgres-versions.ts` starts some. */
const GIVEN_POSTGRES = "TEST_POSTGRES_URL";

/** One throwaway Postgres for the whole run, with a migrated database that tests copy. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env[GIVEN_POSTGRES];
  if (given !== undefined) {
    await createTemplate(given);
    project.provide("postgresUrl", given);
    return () => Promise.resolve();
  }
  await removeLeftovers();
  const dataDir = join(tmpdir(), `${PREFIX}${process.pid}-${Date.now()}`);
  const server = await startThrowaway(dataDir);
  const url = urlOfDatabase(server.url, "postgres");
  await createTemplate(url);
  project.provide("postgresUrl", url);
  return () => discard(server);
}

async function startThrowaway(dataDir: string): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({ dataDir, log: quietLog, durable: false });
}

async function createTemplate(adminUrl: string): Promise<void> {
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} });
  await admin`drop database if exists ${admin(TEMPLATE)} with (force)`;
  await admin`create database ${admin(TEMPLATE)}`;
  if (existsSync(fileURLToPath(new URL("../../drizzle/meta/_journal.json", import.meta.url)))) {
    const database = await openDatabase({
      url: urlOfDatabase(adminUrl, TEMPLATE),
      connectionsMax: 1,
      statementTimeoutMs: 30_000,
      applicationName: "ringback test template",
      log: quietLog,
    });
    await migrate(database);
    await database.close(1_000);
  }
  // A template that somebody is connected to can't be copied.
  await admin`alter database ${admin(TEMPLATE)} with allow_connections false`;
  await admin.end({ timeout: 1 });
}

/** A run that was killed leaves its server behind; it is taken over only to be stopped. */
async function removeLeftovers(): Promise<void> {
  await removeServers(tmpdir());
  for (const folder of abandonedFolders()) {
    await removeServers(folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function removeServers(folder: string): Promise<void> {
  for (const name of readdirSync(folder)) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split("-")[0]) : NaN;
    if (!(pid > 0) || isProcessAlive(pid)) continue;
    const dataDir = join(folder, name);
    try {
      await discard(await startThrowaway(dataDir));
    } catch {
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
}

async function discard(server: EmbeddedPostgres): Promise<void> {
  await server.stop();
  rmSync(server.dataDir, { recursive: true, force: true });
}
