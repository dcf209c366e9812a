import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  statSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startEmbeddedPostgres } from "../../src/store/embedded-postgres.ts";
import { queryOnce, useDataDir } from "../support/data-dir.ts";
import { quietLog } from "../support/quiet-log.ts";

const directory = useDataDir();

describe("a new data directory", () => {
  test("gets a Postgres 18 that keeps commits, listens on loopback and wants the password", async () => {
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

  test("keeps its data over a stop and a start; stopping twice is fine", async () => {
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

  test("is made whole by the next start when the first was killed half way", async () => {
    mkdirSync(directory.path, { mode: 0o711 });
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
    expect(readdirSync(directory.path)).not.toContain("postgres");
    const server = await directory.start();
    expect(await queryOnce(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });
});

describe("who may run it", () => {
  const isRoot = process.getuid?.() === 0;
  const nobody = 65_534;

  test("a user who is not root, in a directory of their own", async () => {
    const uid = isRoot ? nobody : statSync(".").uid;
    mkdirSync(directory.path, { mode: 0o700 });
    if (isRoot) chownSync(directory.path, uid, uid);
    expect(await directory.hold(isRoot ? uid : undefined).next()).toMatchObject({ kind: "up" });
    expect(statSync(directory.data).uid).toBe(isRoot ? uid : process.getuid?.());
  });

  test("nobody in a directory that can't be entered: the error names it", async () => {
    const locked = join(directory.path, "locked");
    mkdirSync(locked, { recursive: true });
    chmodSync(locked, isRoot ? 0o700 : 0o000);
    const dataDir = join(locked, "data");
    const starting = startEmbeddedPostgres({ dataDir, log: quietLog, durable: false });
    await expect(starting).rejects.toThrow(dataDir);
    chmodSync(locked, 0o700);
  });
});

describe("an error", () => {
  test("carries the end of Postgres's log", async () => {
    await directory.fill();
    writeFileSync(join(directory.data, "postgresql.auto.conf"), "no_such_setting = 'x'\n");
    await expect(directory.start()).rejects.toThrow("unrecognized configuration parameter");
  });

  test("says what to do about the data of another version", async () => {
    await directory.fill();
    writeFileSync(join(directory.data, "PG_VERSION"), "17\n");
    await expect(directory.start()).rejects.toThrow("was written by Postgres 17");
  });

  test("says so when the password was lost", async () => {
    await directory.fill();
    writeFileSync(join(directory.path, "postgres", "password"), "another");
    await expect(directory.start()).rejects.toThrow("password authentication failed");
  });
});
