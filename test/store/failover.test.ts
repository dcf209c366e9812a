import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { openDatabase } from "../../src/store/db/database.ts";
import type { PooledDatabase } from "../../src/store/db/database.ts";
import { errorCode, isTransient } from "../../src/store/db/errors.ts";
import { quietLog } from "../support/quiet-log.ts";
import { startReplicatedPostgres } from "../support/replicated-postgres.ts";
import type { ReplicatedPostgres } from "../support/replicated-postgres.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";

const TIMEOUT_MS = 60_000;

vi.setConfig({ testTimeout: 4 * TIMEOUT_MS, hookTimeout: 2 * TIMEOUT_MS });

let servers: ReplicatedPostgres;
/** In front of the primary. */
let proxy: TcpProxy;
const opened: PooledDatabase[] = [];

beforeAll(async () => {
  servers = await startReplicatedPostgres();
  proxy = await startTcpProxy({ host: "127.0.0.1", port: Number(servers.primaryUrl.port) });
  await servers.primary`create table writes (id uuid primary key)`;
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close(1_000)));
});

afterAll(async () => {
  await servers.stop();
});

async function open(
  ports: readonly (number | string)[],
  parameters = "",
  connectForMs = TIMEOUT_MS,
): Promise<PooledDatabase> {
  const { username, password, pathname } = servers.primaryUrl;
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join(",");
  const database = await openDatabase({
    url: `postgres://${username}:${password}@${hosts}${pathname}${parameters}`,
    connectionsMax: 4,
    statementTimeoutMs: TIMEOUT_MS,
    applicationName: "failover",
    connectForMs,
    log: quietLog,
  });
  opened.push(database);
  return database;
}

async function setStandbyNames(names: string): Promise<void> {
  await servers.primary.unsafe(`alter system set synchronous_standby_names = '${names}'`);
  await servers.primary`select pg_reload_conf()`;
  // The process that sends to the standby reads the settings when it comes to it, and until then
  // confirms commits by the old ones.
  const isSynchronous = names === "*" ? 1 : 0;
  await expect
    .poll(
      () => servers.primary`
        select from pg_stat_replication where least(sync_priority, 1) = ${isSynchronous}`,
      { timeout: TIMEOUT_MS },
    )
    .toHaveLength(1);
}

function write(database: PooledDatabase, id: string): Promise<unknown> {
  return database.run(
    "write",
    (sql) => sql`insert into writes values (${id}) on conflict do nothing`,
  );
}

test("the server that takes writes is found behind one that is down and one that is a standby", async () => {
  const database = await open([1, servers.standbyUrl.port, proxy.port]);
  await write(database, randomUUID());
  const any = await open([servers.standbyUrl.port, proxy.port], "?target_session_attrs=any");
  await expect(write(any, randomUUID())).rejects.toMatchObject({ code: "25006" });
});

test("when no server will do, the error says why for each", async () => {
  const { port } = servers.standbyUrl;
  // On a busy machine the second after which it gives up may pass before both have answered.
  const reason = (): Promise<string> =>
    open([1, port], "?target_session_attrs=primary", 1_000).then(
      () => "opened",
      (error: unknown) => (error instanceof Error ? `${error.message} ${String(error.cause)}` : ""),
    );
  await expect
    .poll(reason, { timeout: TIMEOUT_MS })
    .toContain(
      `(target_session_attrs=primary): 127.0.0.1:1: ECONNREFUSED; 127.0.0.1:${port} is a standby`,
    );
});

test.each(["statement", "transaction"])(
  "a commit whose wait for the standby is canceled is no success (%s)",
  async (kind) => {
    const database = await open([proxy.port]);
    await setStandbyNames("another");
    try {
      const id = randomUUID();
      const outcome = (
        kind === "statement"
          ? write(database, id)
          : database.transaction("both", (sql) => sql`insert into writes values (${id})`)
      ).then(() => "success", errorCode);
      await expect
        .poll(
          () => servers.primary`
          select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`,
          { timeout: TIMEOUT_MS },
        )
        .toHaveLength(1);
      expect(await outcome).toBe("COMMIT_UNCONFIRMED");
    } finally {
      await setStandbyNames("*");
    }
  },
);

test("the standby is promoted under load: everything that was confirmed is there", async () => {
  const database = await open([proxy.port, servers.standbyUrl.port]);
  const confirmed: string[] = [];
  let isOver = false;
  const writer = async (): Promise<void> => {
    while (!isOver) {
      const id = randomUUID();
      for (let isWritten = false; !isWritten && !isOver;) {
        try {
          await write(database, id);
          isWritten = true;
          confirmed.push(id);
        } catch (error) {
          if (!isTransient(error) || errorCode(error) === "CONNECTION_ENDED") throw error;
        }
      }
    }
  };
  const writers = Promise.all(Array.from({ length: 8 }, writer));
  const many = 200;
  await expect.poll(() => confirmed.length, { timeout: TIMEOUT_MS }).toBeGreaterThan(many);
  // The primary is out of reach from one moment to the next, with commits on their way.
  await proxy.close();
  await servers.standby`select pg_promote()`;
  const before = confirmed.length;
  await expect.poll(() => confirmed.length, { timeout: TIMEOUT_MS }).toBeGreaterThan(before + many);
  isOver = true;
  await writers;
  const found = await servers.standby<{ id: string }[]>`select id from writes`;
  const ids = new Set(found.map(({ id }) => id));
  expect(confirmed.filter((id) => !ids.has(id))).toEqual([]);
});
