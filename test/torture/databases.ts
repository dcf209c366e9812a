import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPostmaster } from "../../src/embedded-postgres/postmaster.ts";
import { type Pooler, startPooler } from "../support/pooler.ts";
import { startReplicatedPostgres } from "../support/replicated-postgres.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { askOnce, createMigrated, startCluster, type TortureDatabase } from "./cluster.ts";

/** Behind a pooler in transaction mode. */
export interface PooledCluster extends TortureDatabase {
  /** Another pooler before the same database, for the node that will be lost. */
  readonly doomed: Pooler;
}

export async function startPooledCluster(): Promise<PooledCluster> {
  const cluster = await startCluster();
  const [pooler, doomed] = await Promise.all([startPooler(cluster.url), startPooler(cluster.url)]);
  return {
    // A pooler passes on no advisory lock; the database is migrated.
    env: { DATABASE_URL: pooler.url, RINGBACK_MIGRATE: "0" },
    inspect: (work) => cluster.inspect(work),
    doomed,
    async close() {
      await Promise.all([pooler.close(), doomed.close()]);
      await cluster.close();
    },
  };
}

/** A primary, and a standby that each commit waits for. */
export interface ReplicatedCluster extends TortureDatabase {
  /** Cuts the primary off and promotes the standby. */
  failOver(): Promise<void>;
}

export async function startReplicatedCluster(): Promise<ReplicatedCluster> {
  const servers = await startReplicatedPostgres();
  const primary = await createMigrated(servers.primaryUrl.href);
  const proxy = await startTcpProxy({ host: primary.hostname, port: Number(primary.port) });
  const standby = new URL(servers.standbyUrl);
  standby.pathname = primary.pathname;
  const { username, password, pathname } = primary;
  const hosts = `127.0.0.1:${proxy.port},127.0.0.1:${standby.port}`;
  const url = `postgres://${username}:${password}@${hosts}${pathname}?target_session_attrs=primary`;
  return {
    env: { DATABASE_URL: url, RINGBACK_MIGRATE: "0" },
    inspect: (work) => askOnce(standby.href, work),
    async failOver() {
      await proxy.close();
      await servers.standby`select pg_promote()`;
    },
    async close() {
      await proxy.close();
      await servers.stop();
    },
  };
}

/** The database that a gateway runs itself. */
export interface EmbeddedDatabase extends TortureDatabase {
  /** Ends it as `kill -9` does, if it runs. */
  killPostmaster(): Promise<void>;
}

export function embeddedDatabase(): EmbeddedDatabase {
  const dataDir = mkdtempSync(join(tmpdir(), "ringback-torture-embedded-"));
  const directory = join(dataDir, "postgres");
  const running = async () => {
    const found = await findPostmaster(join(directory, "data"));
    return found.kind === "running" ? found : null;
  };
  const killPostmaster = async (): Promise<void> => {
    const found = await running();
    if (found !== null) process.kill(found.pid, "SIGKILL");
  };
  return {
    env: { DATA_DIR: dataDir },
    async inspect(work) {
      const found = await running();
      if (found === null) throw new Error("The embedded Postgres does not run.");
      const password = (await readFile(join(directory, "password"), "utf8")).trim();
      return askOnce(`postgres://ringback:${password}@127.0.0.1:${found.port}/ringback`, work);
    },
    killPostmaster,
    async close() {
      await killPostmaster();
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
