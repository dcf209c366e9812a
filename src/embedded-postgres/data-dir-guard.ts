import { setTimeout as sleep } from "node:timers/promises";
import { startupParameters } from "../store/db/call-bounds.ts";
import { Connection, type Sql } from "../store/connection/connection.ts";
import { NO_TLS } from "../store/connection/tls.ts";
import { POSTGRES_USER } from "./cluster.ts";
import { isProcessAlive } from "./postmaster.ts";

/*
 * One Ringback a data directory. The guard is a session-level advisory lock on a connection of its
 * own: the kernel closes the connection when the process dies, however it dies, and Postgres
 * drops the lock. The schema itself never uses advisory locks, because it has to run behind poolers
 * and on distributed Postgres; the embedded one is neither.
 */

const LOCK = 74642226;
/** The connection of a process that was just killed can outlive it by a moment. */
const RELEASE_TIMEOUT_MS = 3_000;
const PAUSE_MS = 50;
const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 10_000;
const APPLICATION_NAME = "ringback data directory guard, pid ";
/** A database is created by this connection. */
const BOUNDS = { statementMs: 60_000, idleInTransactionMs: 60_000, lockMs: 0 };

export interface DataDirGuard {
  readonly sql: Sql;
  release(): Promise<void>;
}

type GuardAttempt =
  | { readonly kind: "taken"; readonly guard: DataDirGuard }
  /** Another process has it. */
  | { readonly kind: "held"; readonly pid: number | null };

/**
 * Tries to become the only Ringback on the Postgres at this port. `onLost` is called when the
 * connection, and so the guard, is lost later. Throws what connecting throws.
 */
export async function takeGuard(options: {
  readonly port: number;
  readonly password: string;
  readonly onLost: () => void;
}): Promise<GuardAttempt> {
  let state: "open" | "taken" | "released" = "open";
  const connection = new Connection({
    server: { host: "127.0.0.1", port: options.port },
    tls: NO_TLS,
    driverUrl: `postgres://${POSTGRES_USER}:${encodeURIComponent(options.password)}@localhost/postgres`,
    parameters: { application_name: APPLICATION_NAME + process.pid, ...startupParameters(BOUNDS) },
    bounds: BOUNDS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    onNotice: () => {},
    onLost: () => {
      if (state !== "taken") return;
      state = "released";
      options.onLost();
    },
  });
  const release = async (): Promise<void> => {
    state = "released";
    await connection.close();
  };
  // A server that answers nothing, not even to refuse: its queries end as lost.
  const deadline = setTimeout(() => connection.destroy(), ANSWER_TIMEOUT_MS);
  try {
    const holder = await lock(connection.sql);
    if (holder.kind === "held") {
      await release();
      return holder;
    }
    state = "taken";
    return { kind: "taken", guard: { sql: connection.sql, release } };
  } catch (error) {
    await release();
    throw error;
  } finally {
    clearTimeout(deadline);
  }
}

async function lock(
  sql: Sql,
): Promise<{ readonly kind: "ours" } | { readonly kind: "held"; readonly pid: number | null }> {
  const giveUpAt = performance.now() + RELEASE_TIMEOUT_MS;
  for (;;) {
    const [row] = await sql<{ locked: boolean }[]>`select pg_try_advisory_lock(${LOCK}) as locked`;
    if (row?.locked === true) return { kind: "ours" };
    const pid = await findHolder(sql);
    if (pid !== null && pid !== process.pid && isProcessAlive(pid)) return { kind: "held", pid };
    if (performance.now() > giveUpAt) return { kind: "held", pid };
    await sleep(PAUSE_MS);
  }
}

async function findHolder(sql: Sql): Promise<number | null> {
  const [row] = await sql<{ name: string }[]>`
    select application_name as name
    from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and objid = ${LOCK} and granted`;
  const pid = Number(row?.name.slice(APPLICATION_NAME.length));
  return pid > 0 ? pid : null;
}
