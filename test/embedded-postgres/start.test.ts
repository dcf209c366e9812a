import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { findEmbeddedPostgres, startEmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import type { EmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import { findPostmaster } from "../../src/embedded-postgres/postmaster.ts";
import { killAndWait, queryOnce, useDataDir } from "../support/data-dir.ts";
import { startHolder } from "../support/holder.ts";
import { canMount, mountMemory } from "../support/mounts.ts";
import { quietLog } from "../support/quiet-log.ts";

const directory = useDataDir();
// Starting, stopping and initdb take their time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

async function queryAndStop(server: EmbeddedPostgres, statement: string): Promise<unknown[]> {
  try {
    return await queryOnce(server.url, statement);
  } finally {
    await server.stop();
  }
}

/** Begins a first start, and kills it as soon as it has begun to make its files. */
async function killHalfWay(): Promise<void> {
  const begun = new Promise<void>((resolve) => {
    const watcher = watch(directory.path, (_event, name) => {
      if (name?.startsWith("postgres.new-") !== true) return;
      watcher.close();
      resolve();
    });
  });
  const killed = directory.hold();
  await begun;
  await killed.end();
  const pid = await directory.postmasterPid();
  if (pid !== null) await killAndWait(pid);
}

describe("a new data directory", () => {
  test("a new data directory gets a Postgres 18 that keeps commits, listens on loopback and requires the password", async () => {
    const server = await startEmbeddedPostgres({ dataDir: directory.path, log: quietLog });
    const rows = await queryOnce(
      server.url,
      `select current_setting('server_version_num')::int / 10000 as version,
        current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
        current_setting('full_page_writes') as pages, current_setting('listen_addresses') as listen,
        current_setting('server_encoding') as encoding, current_database() as database,
        'ä' < 'b' as by_locale, upper('ä') as upper`,
    );
    const wrong = new URL(server.url);
    wrong.password = "wrong";
    await expect(queryOnce(wrong.href, "select 1")).rejects.toMatchObject({ code: "28P01" });
    await server.stop();
    expect(server.takenOver).toBe(false);
    expect(rows).toEqual([
      {
        version: 18,
        fsync: "on",
        commit: "on",
        pages: "on",
        listen: "127.0.0.1",
        encoding: "UTF8",
        database: "ringback",
        by_locale: false,
        upper: "Ä",
      },
    ]);
    const home = join(directory.path, "postgres");
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(statSync(join(home, "password")).mode & 0o777).toBe(0o600);
  });

  test.runIf(canMount)(
    "a disk that is too full for a new database is the reason of the refusal, and nothing stays behind",
    async () => {
      const dataDir = mountMemory("size=4m,mode=755");
      await expect(startEmbeddedPostgres({ dataDir, log: quietLog })).rejects.toMatchObject({
        name: "StartRefusedError",
        message: expect.stringMatching(/^the disk is too full to create a database in .*Make room/),
      });
      expect(readdirSync(dataDir)).toEqual([]);
    },
  );

  test("a data directory keeps its data over a stop and a start; stopping twice is harmless", async () => {
    await directory.fill();
    const first = await directory.start();
    await queryOnce(first.url, "create table kept as select 7 as n");
    await first.stop();
    await first.stop();
    expect(await directory.postmasterPid()).toBeNull();
    const second = await directory.start();
    expect(second.takenOver).toBe(false);
    expect(await queryOnce(second.url, "select n from kept")).toEqual([{ n: 7 }]);
  });

  test("the embedded Postgres listens on loopback only, whatever its settings were changed to", async () => {
    await directory.fill();
    const first = await directory.start();
    await queryOnce(first.url, "alter system set listen_addresses = '*'");
    await first.stop();
    const second = await directory.start();
    expect(await queryOnce(second.url, "show listen_addresses")).toEqual([
      { listen_addresses: "127.0.0.1" },
    ]);
    const outer = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, scopeid }) => !internal && !scopeid);
    for (const { address } of outer) {
      const socket = connect(Number(new URL(second.url).port), address);
      const [error] = (await once(socket, "error")) as [Error];
      expect(error).toMatchObject({ code: "ECONNREFUSED" });
    }
  });

  test("a data directory whose first start was killed half way is completed by the next start", async () => {
    // On a busy machine it may be complete before it is killed.
    do {
      rmSync(directory.path, { recursive: true, force: true });
      mkdirSync(directory.path, { mode: 0o711 });
      await killHalfWay();
    } while (readdirSync(directory.path).includes("postgres"));
    const server = await directory.start();
    expect(await queryOnce(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });
});

describe("who may run it", () => {
  const isRoot = process.getuid?.() === 0;
  /** Numbers that own nothing here; the second has no name in the user database. */
  const [unprivileged, unnamed] = [65_534, 54_321];

  /** Whether the user may read the project, which lies below `/root` for some. */
  function reachesProject(uid: number | undefined): boolean {
    const options = uid === undefined ? {} : { uid, gid: uid };
    return spawnSync("/bin/sh", ["-c", `cd "$1"`, "sh", import.meta.dirname], options).status === 0;
  }

  test.each([unprivileged, unnamed])(
    "a user who is not root (uid %i) can run the embedded Postgres in their own directory",
    async (other) => {
      const uid = isRoot ? other : undefined;
      mkdirSync(directory.path, { mode: 0o700 });
      if (isRoot) chownSync(directory.path, other, other);
      const report = await directory.hold(uid).next();
      if (!reachesProject(uid)) {
        expect(report).toHaveProperty("message", expect.stringContaining("no embedded Postgres"));
        return;
      }
      expect(report).toMatchObject({ kind: "up" });
      expect(statSync(directory.data).uid).toBe(uid ?? process.getuid?.());
      expect(readdirSync(join(directory.path, "postgres")).toSorted()).toEqual([
        "data",
        "password",
        "server.log",
      ]);
    },
  );

  test("root can run the embedded Postgres in a directory that only root may enter, and the data stays there over a kill and a stop", async () => {
    const locked = directory.path;
    mkdirSync(locked, { mode: 0o700 });
    const dataDir = join(locked, "data");
    const umask = process.umask(0o077);
    const lines: object[] = [];
    const log = { ...quietLog, info: (fields: object) => void lines.push(fields) };
    const start = () => startEmbeddedPostgres({ dataDir, log, durable: false });
    const first = await start().finally(() => process.umask(umask));
    await queryOnce(first.url, "create table kept as select 7 as n");
    const postmaster = await findPostmaster(join(dataDir, "postgres", "data"));
    if (postmaster.kind !== "running") throw new Error("Postgres does not run");
    // Commands beside the gateway find it, and another gateway is refused.
    expect(await findEmbeddedPostgres({ dataDir, log })).toBe(first.url);
    await killAndWait(postmaster.pid);
    await vi.waitFor(() => queryOnce(first.url, "select n from kept"), { timeout: 60_000 });
    await first.stop();
    const second = await start();
    const rows = await queryAndStop(second, "select n from kept");
    expect(rows).toEqual([{ n: 7 }]);
    expect(statSync(locked).mode & 0o777).toBe(0o700);
    if (isRoot) {
      const { uid } = statSync(join(dataDir, "postgres", "data"));
      expect(uid).not.toBe(0);
      expect(lines[0]).toMatchObject({ uid, data: join(dataDir, "postgres") });
    }
  });

  test("a user who may not enter the directory gets an error that names it", async () => {
    const locked = join(directory.path, "locked");
    mkdirSync(locked, { recursive: true });
    chmodSync(directory.path, 0o755);
    chmodSync(locked, 0o000);
    const dataDir = join(locked, "data");
    const report = await startHolder(dataDir, isRoot ? unprivileged : undefined).next();
    chmodSync(locked, 0o700);
    expect(report).toHaveProperty("message", expect.stringContaining(dataDir));
  });
});

test("a data directory may have any name", async () => {
  const dataDir = join(directory.path, `$HOME "of" \`data\` é`);
  mkdirSync(directory.path);
  const starting = startEmbeddedPostgres({ dataDir, log: quietLog, durable: false });
  if (process.platform !== "linux") {
    await expect(starting).rejects.toThrow("choose another DATA_DIR");
    return;
  }
  const server = await starting;
  const rows = await queryAndStop(server, "select 1 as one");
  expect(rows).toEqual([{ one: 1 }]);
  expect(readdirSync(directory.path)).toEqual([basename(dataDir)]);
});

describe("an error", () => {
  test("an error of the embedded Postgres carries the end of its log", async () => {
    await directory.fill();
    writeFileSync(join(directory.data, "postgresql.auto.conf"), "no_such_setting = 'x'\n");
    await expect(directory.start()).rejects.toThrow("unrecognized configuration parameter");
  });

  test("an error about data of another Postgres version says what to do", async () => {
    await directory.fill();
    writeFileSync(join(directory.data, "PG_VERSION"), "17\n");
    await expect(directory.start()).rejects.toThrow("was written by Postgres 17");
  });

  test("an error says that the password was lost", async () => {
    await directory.fill();
    writeFileSync(join(directory.path, "postgres", "password"), "another");
    await expect(directory.start()).rejects.toThrow("password authentication failed");
  });
});
