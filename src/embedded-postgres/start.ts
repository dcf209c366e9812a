import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { makeDataDir } from "../runtime/settings/data-dir.ts";
import { EmbeddedServer, embeddedUrl } from "./server.ts";
import type { EmbeddedPostgresLog } from "./server.ts";
import { canEnter, canRun, chooseAccount, unreachable } from "./account.ts";
import type { Account } from "./account.ts";
import { binariesIn, findPostgresPackage, linkLibraries } from "./binaries.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { ensureCluster, readPassword } from "./cluster.ts";
import type { Cluster } from "./cluster.ts";
import { ensureCopy } from "./copy.ts";
import { findPostmaster } from "./postmaster.ts";

const START_TIMEOUT_MS = 300_000;

export interface EmbeddedPostgresOptions {
  readonly dataDir: string;
  readonly log: EmbeddedPostgresLog;
  /** False only in tests: faster, but a power cut loses everything. */
  readonly durable?: boolean;
  /** Covers the recovery after a crash, which can take minutes. */
  readonly startTimeoutMs?: number;
}

export interface EmbeddedPostgres {
  /** With the password in it: not for the log. */
  readonly url: string;
  readonly dataDir: string;
  /** It was running already, left behind by a process that was killed. */
  readonly takenOver: boolean;
  /** Stops Postgres, at the latest after 20 s. May be called more than once. */
  stop(): Promise<void>;
}

/**
 * Starts Postgres on the data directory, creating it when it is new, or takes over the one that
 * runs there. Throws a message for people when another Ringback uses the directory, or with the
 * end of Postgres's log when it does not start.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const { log, durable = true, startTimeoutMs = START_TIMEOUT_MS } = options;
  const cluster = await openCluster(dataDir, log);
  await ensureCluster(cluster, durable);
  const password = await readPassword(cluster);
  const server = new EmbeddedServer({ log, dataDir, durable, startTimeoutMs, cluster, password });
  await server.start();
  return server;
}

/**
 * The URL, with the password in it, of the Postgres that runs on the data directory now, or null.
 * The process that started it continues to use it: for commands beside a gateway, not for another gateway.
 */
export async function findEmbeddedPostgres(
  options: Pick<EmbeddedPostgresOptions, "dataDir" | "log">,
): Promise<string | null> {
  const cluster = await openCluster(resolve(options.dataDir), options.log);
  const postmaster = await findPostmaster(cluster.data);
  if (postmaster.kind !== "running" || postmaster.port === null) return null;
  return embeddedUrl(postmaster.port, await readPassword(cluster));
}

async function openCluster(dataDir: string, log: EmbeddedPostgresLog): Promise<Cluster> {
  await makeDataDir(dataDir);
  // One spelling: whether a Postgres is that of this directory is seen by its path.
  const realDataDir = await realpath(dataDir);
  const directory = join(realDataDir, "postgres");
  const account = chooseAccount(directory);
  const binaries = usableBinaries(account, realDataDir);
  const byHandle = !isPlain(realDataDir) || (account !== null && !canEnter(account, realDataDir));
  if (byHandle && !existsSync("/proc/self/fd")) throw unreachable(account, "enter", dataDir);
  if (account !== null) {
    log.info(
      { uid: account.uid, data: directory, programs: binaries.root },
      "started by root, as which Postgres refuses to run: it runs as another user",
    );
  }
  return {
    directory,
    data: join(directory, "data"),
    log: join(directory, "server.log"),
    binaries,
    account,
    byHandle,
  };
}

/** pg_ctl puts paths between double quotes into a line for the shell, as they are. */
function isPlain(path: string): boolean {
  return !/["$`\\]/.test(path);
}

/** The installed programs, or a copy of them where those can't be run. */
function usableBinaries(account: Account | null, dataDir: string): PostgresBinaries {
  const installed = findPostgresPackage();
  const { native } = installed;
  const isWhole = linkLibraries(installed);
  if (isWhole && isUsable(account, native)) return binariesIn(native);
  let reason: unknown;
  for (const base of copyBases(account, dataDir)) {
    try {
      const copy = ensureCopy(installed, base);
      if (isUsable(account, copy)) return binariesIn(copy);
    } catch (error) {
      reason = error;
    }
  }
  throw unreachable(account, "run", native, reason);
}

function isUsable(account: Account | null, native: string): boolean {
  return isPlain(native) && (account === null || canRun(account, binariesIn(native).postgres));
}

/** Root's must last as long as Postgres runs, and a temporary directory may be tidied up sooner. */
function copyBases(account: Account | null, dataDir: string): readonly string[] {
  const temporary = join(tmpdir(), `ringback-postgres-${process.getuid?.() ?? ""}`);
  return [account === null ? join(dataDir, "programs") : "/var/lib/ringback-postgres", temporary];
}
