import { join, resolve } from "node:path";
import { makeDataDir } from "../runtime/data-dir.ts";
import { EmbeddedServer, embeddedUrl } from "./embedded-server.ts";
import type { EmbeddedPostgresLog } from "./embedded-server.ts";
import { checkReach, chooseAccount } from "./postgres-account.ts";
import { findPostgresBinaries } from "./postgres-binaries.ts";
import { ensureCluster, readPassword } from "./postgres-cluster.ts";
import type { Cluster } from "./postgres-cluster.ts";
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
 * Whoever started it goes on using it: for commands beside a gateway, not for another gateway.
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
  const binaries = findPostgresBinaries();
  await makeDataDir(dataDir);
  const directory = join(dataDir, "postgres");
  const account = chooseAccount(directory);
  checkReach(account, binaries.postgres, dataDir);
  if (account !== null) {
    log.info(
      { uid: account.uid },
      "started by root, as which Postgres refuses to run: it runs as another user",
    );
  }
  return {
    directory,
    data: join(directory, "data"),
    log: join(directory, "server.log"),
    binaries,
    account,
  };
}
