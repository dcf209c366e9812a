import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, afterEach, beforeEach, expect } from "vitest";
import { startEmbeddedPostgres } from "../../src/embedded-postgres/start.ts";
import type {
  EmbeddedPostgres,
  EmbeddedPostgresOptions,
} from "../../src/embedded-postgres/start.ts";
import { findPostmaster, isProcessAlive } from "../../src/embedded-postgres/postmaster.ts";
import { startHolder } from "./holder.ts";
import type { Holder } from "./holder.ts";
import { quietLog } from "./quiet-log.ts";

/** One data directory a test, with everything that runs on it stopped afterwards. */
export interface TestDataDir {
  /** Not made yet when the test begins. */
  readonly path: string;
  /** The data directory of Postgres itself. */
  readonly data: string;
  /** Puts an initialised, stopped Postgres there: initdb takes a second, a copy does not. */
  fill(): Promise<void>;
  /** Starts Postgres from this process. */
  start(log?: EmbeddedPostgresOptions["log"]): Promise<EmbeddedPostgres>;
  /** Starts Postgres from a process of its own, which can be killed. */
  hold(uid?: number): Holder;
  postmasterPid(): Promise<number | null>;
}

/** Call at the top of a test file. */
export function useDataDir(): TestDataDir {
  // Named like the run's own, so that the next run removes what a killed one leaves.
  const root = join(tmpdir(), `ringback-test-${process.pid}-${Date.now()}`);
  const model = `${root}-model`;
  let count = 0;
  let modelled: Promise<void> | null = null;
  const servers: EmbeddedPostgres[] = [];
  const holders: Holder[] = [];
  const directory: TestDataDir = {
    get path() {
      return `${root}-${count} with späces`;
    },
    get data() {
      return join(directory.path, "postgres", "data");
    },
    async fill() {
      modelled ??= makeModel(model);
      await modelled;
      execFileSync("cp", ["-a", model, directory.path]);
    },
    async start(log = quietLog) {
      const options = { dataDir: directory.path, log, durable: false };
      const server = await startEmbeddedPostgres(options);
      servers.push(server);
      return server;
    },
    hold(uid) {
      const holder = startHolder(directory.path, uid);
      holders.push(holder);
      return holder;
    },
    async postmasterPid() {
      const postmaster = await findPostmaster(directory.data);
      return postmaster.kind === "running" ? postmaster.pid : null;
    },
  };
  beforeEach(() => {
    count += 1;
  });
  afterEach(async () => {
    await Promise.all(holders.splice(0).map((holder) => holder.end()));
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    // One that a killed holder left and no test took over.
    const pid = await directory.postmasterPid();
    if (pid !== null) await killAndWait(pid);
    rmSync(directory.path, { recursive: true, force: true });
  });
  afterAll(() => rmSync(model, { recursive: true, force: true }));
  return directory;
}

async function makeModel(dataDir: string): Promise<void> {
  const server = await startEmbeddedPostgres({ dataDir, log: quietLog, durable: false });
  await server.stop();
}

/** Runs one statement on a connection of its own. */
export async function queryOnce(url: string, statement: string): Promise<unknown[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return [...(await sql.unsafe(statement))];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** There is no event for the end of a process that is no child: asks until it is gone. */
export async function killAndWait(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await expect.poll(() => isRunning(pid), { timeout: 60_000, interval: 10 }).toBe(false);
}

/** One that has ended but was not collected by its parent yet still counts as alive for the system. */
function isRunning(pid: number): boolean {
  if (!isProcessAlive(pid)) return false;
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return process.platform !== "linux";
  }
}
