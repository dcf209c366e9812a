import { execFile } from "node:child_process";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { vi } from "vitest";
import { startEmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import { quietLog } from "./quiet-log.ts";

/** A primary and its standby, on servers of the test's own. */
export interface ReplicatedPostgres {
  readonly primary: postgres.Sql;
  readonly standby: postgres.Sql;
  /** The password in them is the same. */
  readonly primaryUrl: URL;
  readonly standbyUrl: URL;
  readonly stop: () => Promise<void>;
}

const run = promisify(execFile);

/** Starts both, replicating; commits wait for the standby. */
export async function startReplicatedPostgres(): Promise<ReplicatedPostgres> {
  const folder = await mkdtemp(join(tmpdir(), "ringback-replicated-"));
  // Postgres runs as another user where the tests run as root.
  await run("chmod", ["755", folder]);
  const dataDirs = [join(folder, "primary"), join(folder, "standby")] as const;
  const start = (dataDir: string) =>
    startEmbeddedPostgres({ dataDir, log: quietLog, durable: false });
  await (await start(dataDirs[0])).stop();
  await run("cp", ["-a", ...dataDirs]);
  const primary = await start(dataDirs[0]);
  const primaryUrl = new URL(primary.url);
  const data = join(dataDirs[1], "postgres", "data");
  const { port, username, password } = primaryUrl;
  const from = `host=127.0.0.1 port=${port} user=${username} password=${password}`;
  await appendFile(join(data, "postgresql.auto.conf"), `primary_conninfo = '${from}'\n`);
  await writeFile(join(data, "standby.signal"), "");
  const standby = await start(dataDirs[1]);
  const sqls = [primary, standby].map(({ url }) => postgres(url, { max: 1, onnotice: () => {} }));
  const [primarySql, standbySql] = sqls;
  if (primarySql === undefined || standbySql === undefined) throw new Error("two servers");
  await primarySql`alter system set synchronous_standby_names = '*'`;
  await primarySql`select pg_reload_conf()`;
  await vi.waitFor(
    async () => {
      const rows = await primarySql`select from pg_stat_replication where sync_state = 'sync'`;
      if (rows.length !== 1) throw new Error("the standby does not replicate");
    },
    { timeout: 60_000, interval: 50 },
  );
  return {
    primary: primarySql,
    standby: standbySql,
    primaryUrl,
    standbyUrl: new URL(standby.url),
    async stop() {
      await Promise.all(sqls.map((sql) => sql.end({ timeout: 1 })));
      // A primary that goes down waits for its standby.
      await standby.stop();
      await primary.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
