import { spawn } from "node:child_process";
import type { SpawnOptions } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { StartRefusedError } from "../runtime/process/fatal-errors.ts";
import { isProcessAlive } from "./postmaster.ts";
import { copyForUnnamedUser, hasName } from "./account.ts";
import type { Account } from "./account.ts";
import type { PostgresBinaries } from "./binaries.ts";

/** The embedded Postgres on disk: `<dataDir>/postgres` with its data, password and log. */
export interface Cluster {
  readonly directory: string;
  readonly data: string;
  readonly log: string;
  readonly binaries: PostgresBinaries;
  readonly account: Account | null;
  /** Whether the programs reach `directory` by an open handle: the account can't enter its parents. */
  readonly byHandle: boolean;
}

/** Where a program of the cluster finds a directory. */
type ArgumentsOf = (directory: string) => readonly string[];

export const POSTGRES_USER = "ringback";
const POSTGRES_MAJOR = "18";
const LOG_BYTES_KEPT = 5_000_000;
const INITDB_TIMEOUT_MS = 120_000;
/**
 * Linux leads a process that names its own open directory straight to it, whatever it may not enter
 * on the way, and processes that it starts inherit the handle: all of Postgres's do.
 */
const HANDLE_PATH = "/proc/self/fd/3";

/** For one small machine. Commits stay durable: fsync and synchronous_commit keep their defaults. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "100",
  shared_buffers: "256MB",
  min_wal_size: "256MB",
  max_wal_size: "4GB",
  checkpoint_timeout: "15min",
  // Shared memory in a container is often 64 MB, and no statement here is long enough to split.
  max_parallel_workers_per_gather: "0",
  jit: "off",
  random_page_cost: "1.1",
  // How often two background processes wake up with nothing to do. A commit that is waited for flushes
  // the log itself, and the writer of dirty pages may write as many a second as it does by default.
  wal_writer_delay: "2s",
  bgwriter_delay: "1s",
  bgwriter_lru_maxpages: "500",
  // Deliveries and mailboxes turn over fast.
  autovacuum_vacuum_scale_factor: "0.05",
  autovacuum_analyze_scale_factor: "0.05",
  log_checkpoints: "off",
  logging_collector: "off",
};

/** No commit survives a power cut; for tests. */
const SETTINGS_NOT_DURABLE: Readonly<Record<string, string>> = {
  fsync: "off",
  full_page_writes: "off",
  max_connections: "400",
  shared_buffers: "64MB",
};

/**
 * Creates the cluster unless it is there. It is made aside and renamed when whole, password
 * included, so that a kill at any moment, or a second process that does the same, leaves
 * either nothing or all of it.
 */
export async function ensureCluster(cluster: Cluster, durable: boolean): Promise<void> {
  await removeLeftovers(cluster.directory);
  if (!(await exists(cluster.directory))) await createCluster(cluster, durable);
  const version = (await readFile(join(cluster.data, "PG_VERSION"), "utf8")).trim();
  if (version !== POSTGRES_MAJOR) {
    throw new StartRefusedError(
      `${cluster.data} was written by Postgres ${version} and can't be used by Postgres ${POSTGRES_MAJOR}. ` +
        "Move its contents over with pg_dump, or choose another DATA_DIR.",
    );
  }
}

async function createCluster(cluster: Cluster, durable: boolean): Promise<void> {
  const draft = `${cluster.directory}.new-${process.pid}-${randomBytes(4).toString("hex")}`;
  const password = randomBytes(24).toString("base64url");
  try {
    await mkdir(draft, { mode: 0o700 });
    await writeFile(join(draft, "password"), password, { mode: 0o600, flush: true });
    if (cluster.account !== null) await giveTo(cluster.account, [draft, join(draft, "password")]);
    await initialize(cluster, draft, durable);
    await rename(draft, cluster.directory);
    await syncDirectory(join(cluster.directory, ".."));
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process was faster; its cluster is as good.
    if (await exists(cluster.directory)) return;
    throw isOutOfSpace(error) ? noSpaceFor(cluster, error) : error;
  }
}

/** initdb reports it in words only, which are English under its locale. */
function isOutOfSpace(error: unknown): boolean {
  return (
    error instanceof Error && /\bno space left on device|\bquota exceeded/i.test(error.message)
  );
}

function noSpaceFor({ directory }: Cluster, cause: unknown): StartRefusedError {
  return new StartRefusedError(
    `the disk is too full to create a database in ${directory}, which takes about 50 MB and grows by what is stored. ` +
      "Make room, choose another DATA_DIR, or set DATABASE_URL to use a Postgres of your own.",
    { cause },
  );
}

async function initialize(cluster: Cluster, draft: string, durable: boolean): Promise<void> {
  const programs = join(draft, "programs");
  const isNamed = hasName(cluster.account);
  const { initdb } = isNamed ? cluster.binaries : copyForUnnamedUser(programs);
  const arguments_: ArgumentsOf = (directory) => [
    `--pgdata=${directory}/data`,
    `--username=${POSTGRES_USER}`,
    `--pwfile=${directory}/password`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // The same order and case rules on every machine, whatever locales it has.
    "--no-locale",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    ...(durable ? [] : ["--no-sync"]),
  ];
  await runClusterProgram({ ...cluster, directory: draft }, initdb, arguments_, INITDB_TIMEOUT_MS);
  await rm(programs, { recursive: true, force: true });
}

/** Removes what a killed process left half made. A draft of a living process is left alone. */
async function removeLeftovers(directory: string): Promise<void> {
  const parent = join(directory, "..");
  for (const name of await readdir(parent)) {
    const pid = /^postgres\.new-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || (Number(pid) !== process.pid && isProcessAlive(Number(pid)))) continue;
    // An initdb that outlived its parent may still be at it; then the next start tries again.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => {});
  }
}

/** The password, which only the user that runs Ringback can read. */
export async function readPassword(cluster: Cluster): Promise<string> {
  try {
    return (await readFile(join(cluster.directory, "password"), "utf8")).trim();
  } catch (cause) {
    throw new Error(`can't read the embedded Postgres's password in ${cluster.directory}`, {
      cause,
    });
  }
}

/** Writes the settings, on every start, so that a new release's apply to old data too. */
export async function writeSettings(
  cluster: Cluster,
  port: number,
  durable: boolean,
): Promise<void> {
  const settings = { ...SETTINGS, ...(durable ? {} : SETTINGS_NOT_DURABLE), port: String(port) };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'`);
  const file = join(cluster.data, "postgresql.conf");
  const draft = `${file}.${process.pid}`;
  await writeFile(
    draft,
    `# Written by Ringback at every start; put your own in postgresql.auto.conf.\n${lines.join("\n")}\n`,
  );
  if (cluster.account !== null) await giveTo(cluster.account, [draft]);
  await rename(draft, file);
}

/** Keeps one old log; Postgres itself only appends. */
export async function rotateLog(cluster: Cluster): Promise<void> {
  const size = (await stat(cluster.log).catch(() => null))?.size ?? 0;
  if (size > LOG_BYTES_KEPT) await rename(cluster.log, `${cluster.log}.old`);
}

/** The last lines of Postgres's log, for an error message. */
export async function readLogTail(cluster: Cluster, lines = 15): Promise<string> {
  const text = await readFile(cluster.log, "utf8").catch(() => "");
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}

/**
 * Runs a program of the cluster as its account. Throws with what it printed when it fails.
 * @param argumentsOf gets the cluster's directory as the program can reach it
 */
export async function runClusterProgram(
  cluster: Cluster,
  program: string,
  argumentsOf: ArgumentsOf,
  timeoutMs: number,
): Promise<void> {
  const handle = cluster.byHandle ? await open(cluster.directory) : null;
  try {
    await runToEnd(program, argumentsOf(handle === null ? cluster.directory : HANDLE_PATH), {
      cwd: cluster.account === null ? undefined : "/",
      // This process's environment holds keys, and Postgres needs none of it.
      env: { LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe", ...(handle === null ? [] : [handle.fd])],
      // Its own process group: a Ctrl-C is for Ringback to handle, not for Postgres.
      detached: process.platform !== "win32",
      windowsHide: true,
      timeout: Math.ceil(timeoutMs),
      killSignal: "SIGKILL",
      ...cluster.account,
    });
  } finally {
    await handle?.close();
  }
}

async function runToEnd(
  program: string,
  arguments_: readonly string[],
  options: SpawnOptions,
): Promise<void> {
  const child = spawn(program, arguments_, options);
  let output = "";
  const keep = (chunk: string): void => void (output = (output + chunk).slice(-8_000));
  child.stdout?.setEncoding("utf8").on("data", keep);
  child.stderr?.setEncoding("utf8").on("data", keep);
  const code = await new Promise<number | null>((resolve, reject) => {
    // More than one may come: it can't be started, and then it can't be killed.
    child.on("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${program} failed (exit code ${code}): ${output.trim()}`);
}

async function giveTo(account: Account, paths: readonly string[]): Promise<void> {
  for (const path of paths) await chown(path, account.uid, account.gid);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
