import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { StartRefusedError } from "../runtime/process/fatal-errors.ts";
import { takeGuard } from "./data-dir-guard.ts";
import type { DataDirGuard } from "./data-dir-guard.ts";
import {
  POSTGRES_USER,
  readLogTail,
  rotateLog,
  runClusterProgram,
  writeSettings,
} from "./cluster.ts";
import type { Cluster } from "./cluster.ts";
import { disownStaleFile, findPostmaster } from "./postmaster.ts";
import { errorCode, isTransient } from "../store/db/errors.ts";
import type { MessageLog } from "../runtime/process/log.ts";

/*
 * A real Postgres beside this process, for those who bring none. It is a process of its own, not
 * a child that dies with this one:
 *
 *   none or stale ──start──▶ running ──guard taken──▶ ours ──stop──▶ none
 *                              │  ▲                     │
 *                              │  └── this process was killed: the next one takes it over
 *                              └── guard held by another Ringback: refused, theirs is left alone
 *
 * Postgres's own postmaster.pid keeps two servers off the same data; the guard keeps two
 * Ringbacks off the same server.
 */

const DATABASE = "ringback";
const STOP_FAST_TIMEOUT_S = 15;
const STOP_IMMEDIATE_TIMEOUT_S = 5;
/** A port can be taken between choosing and using it, and orphans of a killed server need a moment. */
const START_TRIES_MAX = 5;
const PAUSE_MS = 100;
const RESTART_PAUSE_MS = 1_000;

export type EmbeddedPostgresLog = Pick<MessageLog, "info" | "warn" | "error">;

interface EmbeddedServerOptions {
  readonly dataDir: string;
  readonly log: EmbeddedPostgresLog;
  readonly durable: boolean;
  readonly startTimeoutMs: number;
  readonly cluster: Cluster;
  readonly password: string;
}

/** Another live Ringback uses the data directory. */
class DataDirInUseError extends StartRefusedError {
  override readonly name = "DataDirInUseError";
}

/** A Postgres on a cluster that exists; what is promised to its user says `EmbeddedPostgres`. */
export class EmbeddedServer {
  readonly dataDir: string;
  takenOver = true;
  readonly #options: EmbeddedServerOptions;
  #port: number | null = null;
  /** Null while the guard is not ours; then the server is not ours to stop either. */
  #guard: DataDirGuard | null = null;
  #restarting: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;

  constructor(options: EmbeddedServerOptions) {
    this.#options = options;
    this.dataDir = options.dataDir;
  }

  get url(): string {
    return embeddedUrl(this.#port ?? 0, this.#options.password);
  }

  async start(): Promise<void> {
    const guard = await this.#attachOrHalt();
    try {
      const found = await guard.sql`select 1 from pg_database where datname = ${DATABASE}`;
      if (found.length === 0) await guard.sql`create database ${guard.sql(DATABASE)}`;
    } catch (error) {
      await this.stop();
      throw error;
    }
    const { log } = this.#options;
    log.info(
      { dataDir: this.dataDir, port: this.#port, takenOver: this.takenOver },
      "embedded Postgres is up",
    );
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** A server started just now and for nothing does not stay. */
  async #attachOrHalt(): Promise<DataDirGuard> {
    try {
      return await this.#attach();
    } catch (error) {
      if (!this.takenOver && !(error instanceof DataDirInUseError)) {
        await this.#halt("fast", STOP_FAST_TIMEOUT_S);
      }
      throw error;
    }
  }

  /** Starts Postgres unless it runs, and waits until the guard is ours. */
  async #attach(): Promise<DataDirGuard> {
    const { cluster, startTimeoutMs } = this.#options;
    const giveUpAt = performance.now() + startTimeoutMs;
    let startsLeft = START_TRIES_MAX;
    let startError: unknown;
    while (performance.now() < giveUpAt && this.#stopped === null) {
      const postmaster = await findPostmaster(cluster.data);
      if (postmaster.kind === "running") {
        const guard = postmaster.port === null ? null : await this.#tryGuard(postmaster.port);
        if (guard !== null) return guard;
      } else if (startsLeft === 0) {
        break;
      } else {
        startsLeft -= 1;
        if (postmaster.kind === "stale") disownStaleFile(cluster.data, postmaster.pid);
        startError = await this.#launch(giveUpAt - performance.now());
        if (startError === null) continue;
      }
      await sleep(PAUSE_MS);
    }
    throw await this.#startError(startError);
  }

  /** Null when Postgres takes no connections yet, or no more. */
  async #tryGuard(port: number): Promise<DataDirGuard | null> {
    const { password } = this.#options;
    try {
      const attempt = await takeGuard({ port, password, onLost: () => this.#onGuardLost() });
      if (attempt.kind === "held") throw this.#inUse(attempt.pid);
      this.#port = port;
      this.#guard = attempt.guard;
      return attempt.guard;
    } catch (error) {
      if (isTransient(error)) return null;
      throw errorCode(error) === "28P01" ? await this.#startError(error) : error;
    }
  }

  /** Returns why it did not start, or null. */
  async #launch(timeoutMs: number): Promise<unknown> {
    const { cluster, durable } = this.#options;
    const wait = ["-w", "-t", String(Math.ceil(timeoutMs / 1000))];
    const start = (directory: string): string[] => [
      "start",
      "-D",
      `${directory}/data`,
      "-l",
      `${directory}/server.log`,
      // On the command line, which postgresql.auto.conf and ALTER SYSTEM can't override.
      "-o",
      "-c listen_addresses=127.0.0.1",
      ...wait,
    ];
    try {
      await rotateLog(cluster);
      await writeSettings(cluster, this.#port ?? (await findFreePort()), durable);
      await runClusterProgram(cluster, cluster.binaries.pgCtl, start, timeoutMs);
      this.takenOver = false;
      return null;
    } catch (error) {
      return error;
    }
  }

  /** Postgres crashed, or somebody cut the connection: its port stays, so that the URL stays true. */
  #onGuardLost(): void {
    this.#guard = null;
    if (this.#stopped === null)
      this.#restarting ??= this.#restart().finally(() => (this.#restarting = null));
  }

  async #restart(): Promise<void> {
    const { log } = this.#options;
    log.error({ dataDir: this.dataDir }, "embedded Postgres went away, bringing it back");
    while (this.#stopped === null) {
      try {
        await this.#attach();
        log.info({ dataDir: this.dataDir }, "embedded Postgres is back");
        return;
      } catch (error) {
        log.error({ err: error }, "embedded Postgres did not come back, trying again");
      }
      await sleep(RESTART_PAUSE_MS);
    }
  }

  /** The guard is kept to the last: a process that waits for it must not find a server that goes down. */
  async #stop(): Promise<void> {
    await this.#restarting;
    const guard = this.#guard;
    if (guard === null) return;
    try {
      await this.#halt("fast", STOP_FAST_TIMEOUT_S);
    } catch (error) {
      this.#options.log.warn({ err: error }, "embedded Postgres is slow to stop, cutting it off");
      await this.#halt("immediate", STOP_IMMEDIATE_TIMEOUT_S);
    } finally {
      await guard.release();
    }
  }

  async #halt(mode: "fast" | "immediate", timeoutS: number): Promise<void> {
    const { cluster } = this.#options;
    const stop = (directory: string): string[] => [
      "stop",
      "-D",
      `${directory}/data`,
      "-m",
      mode,
      "-w",
      "-t",
      String(timeoutS),
    ];
    try {
      await runClusterProgram(cluster, cluster.binaries.pgCtl, stop, (timeoutS + 1) * 1000);
    } catch (error) {
      if ((await findPostmaster(cluster.data)).kind === "running") throw error;
    }
  }

  #inUse(pid: number | null): DataDirInUseError {
    const who = pid === null ? "another Ringback" : `another Ringback (pid ${pid})`;
    const remedy = "Stop it, or choose another DATA_DIR.";
    return new DataDirInUseError(
      `the data directory ${this.dataDir} is in use by ${who}. ${remedy}`,
    );
  }

  async #startError(cause: unknown): Promise<Error> {
    const tail = await readLogTail(this.#options.cluster);
    const reason = cause instanceof Error ? `: ${cause.message}` : " in time";
    const log = `The end of ${this.#options.cluster.log}:
${tail}`;
    return new Error(`the embedded Postgres in ${this.dataDir} did not start${reason}\n${log}`, {
      cause,
    });
  }
}

/** With the password in it: not for the log. */
export function embeddedUrl(port: number, password: string): string {
  return `postgres://${POSTGRES_USER}:${password}@127.0.0.1:${port}/${DATABASE}`;
}

function findFreePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolvePort(port));
    });
  });
}
