import { spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { killAndWait, queryOnce, useDataDir } from "../support/data-dir.ts";
import type { Holder } from "../support/holder.ts";
import { quietLog } from "../support/quiet-log.ts";

const directory = useDataDir();
// Starting, stopping and initdb take their time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

/** The URL of the holder's Postgres, once it is up. */
async function urlOf(holder: Holder): Promise<string> {
  const report = await holder.next();
  if (report.kind !== "up") throw new Error(JSON.stringify(report));
  return report.url;
}

describe("two processes on one data directory", () => {
  test("a second process on a data directory is refused with the first one's name and process id, and the first keeps running", async () => {
    await directory.fill();
    const first = await directory.start();
    const second = await directory.hold().next();
    expect(second).toMatchObject({ kind: "failed" });
    const message = `${directory.path} is in use by another Ringback (pid ${process.pid})`;
    expect(second).toHaveProperty("message", expect.stringContaining(message));
    expect(await queryOnce(first.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("one of two processes that start at once on a new data directory wins, and the other is refused", async () => {
    const both = [directory.hold(), directory.hold()];
    const reports = await Promise.all(both.map((holder) => holder.next()));
    expect(reports.map(({ kind }) => kind).toSorted()).toEqual(["failed", "up"]);
    const winner = both[reports.findIndex(({ kind }) => kind === "up")];
    const refused = reports.find(({ kind }) => kind === "failed");
    const message = `in use by another Ringback (pid ${winner?.pid})`;
    expect(refused).toHaveProperty("message", expect.stringContaining(message));
    expect(readdirSync(directory.path)).toEqual(["postgres"]);
  });
});

describe("after a kill", () => {
  test("after a kill of Ringback the next start takes over its Postgres with all data, and stops it", async () => {
    await directory.fill();
    const killed = directory.hold();
    await queryOnce(await urlOf(killed), "create table kept as select 7 as n");
    const pid = await directory.postmasterPid();
    await killed.end();
    const server = await directory.start();
    expect(server.takenOver).toBe(true);
    expect(await directory.postmasterPid()).toBe(pid);
    expect(await queryOnce(server.url, "select n from kept")).toEqual([{ n: 7 }]);
    await server.stop();
    expect(await directory.postmasterPid()).toBeNull();
  });

  test("after a kill of both processes the next start recovers what was committed", async () => {
    await directory.fill();
    const killed = directory.hold();
    await queryOnce(await urlOf(killed), "create table kept as select 7 as n");
    const pid = await directory.postmasterPid();
    await killed.end();
    await killAndWait(pid ?? 0);
    const server = await directory.start();
    expect(server.takenOver).toBe(false);
    expect(await queryOnce(server.url, "select n from kept")).toEqual([{ n: 7 }]);
  });

  test("after a kill of Postgres alone it is restarted under the same address, and supervised", async () => {
    await directory.fill();
    const back = Promise.withResolvers<void>();
    const info = (_fields: object, message: string): void => {
      if (message.endsWith("is back")) back.resolve();
    };
    const server = await directory.start({ ...quietLog, info });
    const pid = await directory.postmasterPid();
    await killAndWait(pid ?? 0);
    await back.promise;
    expect(await directory.postmasterPid()).not.toBe(pid);
    expect(await queryOnce(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(await directory.hold().next()).toMatchObject({ kind: "failed" });
  });
});

test("a Ctrl-C at the terminal reaches Ringback only: it can drain on a running Postgres", async () => {
  await directory.fill();
  const holder = directory.hold();
  await urlOf(holder);
  holder.kill("SIGINT", "group");
  expect(await holder.next()).toEqual({ kind: "interrupted", answer: { one: 1 } });
});

describe("a stale postmaster.pid", () => {
  /** Leaves the file of a killed Postgres, with another process id in it. */
  async function leaveStaleFile(pid: number): Promise<void> {
    const server = await directory.start();
    const file = join(directory.data, "postmaster.pid");
    const text = readFileSync(file, "utf8");
    const { uid, gid } = statSync(file);
    await server.stop();
    writeFileSync(file, text.replace(/^\d+/, String(pid)));
    // Under a strict umask, Postgres could not read a file of root.
    chownSync(file, uid, gid);
  }

  test("a stale postmaster.pid of a process that is gone does not block the start", async () => {
    await directory.fill();
    const gone = spawn("true");
    await once(gone, "exit");
    await leaveStaleFile(gone.pid ?? 0);
    expect((await directory.start()).takenOver).toBe(false);
  });

  test("a stale postmaster.pid whose number another process has by now does not block the start", async () => {
    await directory.fill();
    const { uid, gid } = statSync(directory.data);
    const other = spawn("sleep", ["60"], { uid, gid, stdio: "ignore" });
    await leaveStaleFile(other.pid ?? 0);
    const server = await directory.start().finally(() => other.kill("SIGKILL"));
    expect(server.takenOver).toBe(false);
  });
});
