import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { vi } from "vitest";
import { openDatabase } from "../../src/store/db/database.ts";
import { startEmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import { migrate } from "../../src/store/db/migrate.ts";
import { findPostmaster } from "../../src/embedded-postgres/postmaster.ts";
import { quietLog } from "../support/quiet-log.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";

const NAME = "torture";
const BACK_WITHIN_MS = 120_000;

/** Where the gateways of a run keep their data. */
export interface TortureDatabase {
  /** Has gateways use it. */
  readonly env: Readonly<Record<string, string>>;
  /** Asks it past all wires, on a connection that is opened for this. */
  inspect<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A Postgres with everything durable that a test may treat badly, and a wire to it. */
export interface TortureCluster extends TortureDatabase {
  /** Through the wire, as gateways reach it. */
  readonly url: string;
  readonly proxy: TcpProxy;
  /** The processes of the server that serve connections of gateways. */
  backends(): Promise<number[]>;
  /** Ends it as `kill -9` does; resolves once it is back. */
  killPostmaster(): Promise<void>;
  /** Ends one serving process as `kill -9` does, upon which the server restarts all of them. */
  killBackend(pid: number): Promise<void>;
  /** Takes every connection of gateways away; gives how many there were. */
  terminateBackends(share: number): Promise<number>;
}

/** Makes a migrated database on the server; gives its URL. */
export async function createMigrated(serverUrl: string): Promise<URL> {
  const admin = postgres(serverUrl, { max: 1, onnotice: () => undefined });
  await admin`create database ${admin(NAME)}`;
  await admin.end();
  const url = new URL(serverUrl);
  url.pathname = `/${NAME}`;
  const database = await openDatabase({
    url: url.href,
    connectionsMax: 1,
    statementTimeoutMs: 60_000,
    applicationName: "torture",
    log: quietLog,
  });
  await migrate(database);
  await database.close(1_000);
  return url;
}

/** Runs `work` on a connection of its own: none is held that a fault could take. */
export async function askOnce<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => undefined });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** @param parent where its data lies */
export async function startCluster(parent = tmpdir()): Promise<TortureCluster> {
  const dataDir = mkdtempSync(join(parent, "ringback-torture-"));
  const server = await startEmbeddedPostgres({ dataDir, log: quietLog });
  const direct = await createMigrated(server.url);
  const proxy = await startTcpProxy({ host: direct.hostname, port: Number(direct.port) });
  const url = new URL(direct);
  url.port = String(proxy.port);
  const postmasterPid = async (): Promise<number> => {
    const found = await findPostmaster(join(dataDir, "postgres", "data"));
    return found.kind === "running" ? found.pid : 0;
  };
  const ask = <T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> =>
    askOnce(direct.href, work);
  const untilItAnswers = (): Promise<void> =>
    vi.waitFor(() => ask(async (sql) => void (await sql`select 1`)), {
      timeout: BACK_WITHIN_MS,
      interval: 200,
    });
  return {
    env: { DATABASE_URL: url.href },
    url: url.href,
    inspect: ask,
    proxy,
    backends: () =>
      ask(async (sql) => {
        const rows = await sql<{ pid: number }[]>`
          select pid from pg_stat_activity where application_name = 'ringback' and pid <> pg_backend_pid()`;
        return rows.map(({ pid }) => pid);
      }),
    async killPostmaster() {
      const pid = await postmasterPid();
      if (pid > 0) process.kill(pid, "SIGKILL");
      await untilItAnswers();
    },
    async killBackend(pid) {
      process.kill(pid, "SIGKILL");
      await untilItAnswers();
    },
    terminateBackends: (share) =>
      ask(async (sql) => {
        const rows = await sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'ringback' and state <> 'idle' and random() < ${share}`;
        return rows.length;
      }),
    async close() {
      await proxy.close();
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
