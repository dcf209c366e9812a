import type { DatabaseCondition } from "../../core/readiness.ts";
import { Repeater } from "../../runtime/repeater.ts";
import type { Runtime, Service } from "../../runtime/runtime.ts";
import type { Connection } from "../connection/connection.ts";
import type { PooledDatabase } from "./database.ts";
import type { ProbeFinding } from "./database-health.ts";
import type { SilentCall } from "./silent-calls.ts";
import { arrayLiteral } from "../sql/statement.ts";
import { DatabaseTimeoutError, errorCodes } from "./errors.ts";

/** Also how often a look for changes is answered, which makes a probe unnecessary. */
const PROBE_INTERVAL_MS = 1_000;
/**
 * A round asks nothing when a call was answered this recently. With the interval and the timeout, an outage
 * without any error is known after 4.1 s at most.
 */
const ANSWER_AGE_MS_MAX = 1_500;
const PROBE_TIMEOUT_MS = 2_000;
const UNREAD_GRACE_MS = 100;
/**
 * One in this many rounds asks in any case whether the database takes writes, and writes to the disk,
 * so that a full one is known within 5 s on a node that has nothing to write; every one does while
 * it is known to be full.
 */
const ROUNDS_PER_DISK_PROBE = 4;
const DISK_FULL = "53100";
/** Servers respond, but none of them takes writes. */
const ALL_READ_ONLY = "NO_SUITABLE_SERVER";

const CAN_WRITE = `
select not (pg_is_in_recovery() or current_setting('transaction_read_only')::boolean) as can_write
`;

// Needs about 250 KiB in a temporary file, which the end of the statement removes: few large rows, since
// each row costs more than its bytes. A row that is updated in place would find room even on a full
// disk. One message, so that a pooler keeps it together.
const WRITE_TO_DISK = `
set local work_mem = '64kB';
with spilled as materialized (select repeat('x', 16000) from generate_series(1, 16))
select count(*)::int from spilled
`;

/**
 * Those of the server's processes that do not work and have not just ended a statement, or do not exist
 * any more. One that waits for the rest of a statement is active. A state that is hidden counts as work.
 */
const AT_REST = `
select asked.pid from unnest($1::text::int[]) as asked (pid)
left join pg_stat_activity as backend on backend.pid = asked.pid
where backend.pid is null
  or ((backend.state like 'idle%' or backend.wait_event = 'ClientRead')
    and backend.state_change < now() - interval '2 seconds')
`;

/**
 * Probes the database on a connection of its own: whether it responds and can be written to. So its
 * condition is known without any request waiting for it. Once a second, but seldom while calls are
 * answered: waking up both sides costs more than all else that an idle gateway asks.
 */
export class DatabaseMonitor implements Service {
  readonly #runtime: Pick<Runtime, "clock" | "log" | "random">;
  readonly #database: PooledDatabase;
  readonly #repeater: Repeater;
  #connection: Connection | null = null;
  #roundsUntilDisk = 0;
  #isSuspected = false;
  #lastCondition: DatabaseCondition = "ok";

  constructor(runtime: Pick<Runtime, "clock" | "log" | "random">, database: PooledDatabase) {
    this.#runtime = runtime;
    this.#database = database;
    this.#repeater = new Repeater(runtime, {
      name: "probe the database",
      intervalMs: PROBE_INTERVAL_MS,
      task: () => this.#round(),
    });
  }

  async start(): Promise<void> {
    await this.#repeater.start();
    this.#database.health.onSuspicion = () => {
      this.#isSuspected = true;
      this.#repeater.trigger();
    };
    this.#repeater.trigger();
  }

  async stop(): Promise<void> {
    this.#database.health.onSuspicion = null;
    await this.#repeater.stop();
    this.#dropConnection();
  }

  async #round(): Promise<void> {
    const { health } = this.#database;
    this.#roundsUntilDisk -= 1;
    const silent = this.#database.silentCalls();
    const isCertain = health.condition === "ok" && !this.#isSuspected && silent.length === 0;
    if (isCertain && this.#roundsUntilDisk > 0 && health.wasAnsweredWithin(ANSWER_AGE_MS_MAX))
      return;
    this.#isSuspected = false;
    await this.#probe(silent);
  }

  async #probe(silent: readonly SilentCall[]): Promise<void> {
    const { health } = this.#database;
    const finding = await this.#find();
    health.probed(finding);
    // Another server may have taken over, and only a new connection leads to it.
    if (finding.kind !== "writable") this.#dropConnection();
    else {
      await this.#endDead(silent);
      await this.#probeDisk();
    }
    this.#report(finding);
  }

  /**
   * Ends connections that died without a FIN or RST while a call waits for an answer: nothing is received,
   * and the server is not at work for it.
   */
  async #endDead(calls: readonly SilentCall[]): Promise<void> {
    const serverStartedAt = this.#connection?.backend?.serverStartedAt;
    const silent = calls.filter(
      ({ call }) => call.connection.backend?.serverStartedAt === serverStartedAt,
    );
    if (silent.length === 0) return;
    const pids = silent.map(({ call }) => call.connection.backend?.pid ?? 0);
    try {
      const rows = await this.#ask<{ pid: number }>(AT_REST, [arrayLiteral(pids)]);
      const atRest = new Set(rows.map(({ pid }) => pid));
      this.#database.endSilent(silent.filter((_, index) => atRest.has(pids[index] ?? 0)));
    } catch {
      this.#dropConnection();
    }
  }

  async #find(): Promise<ProbeFinding> {
    const beganAt = this.#runtime.clock.monotonic();
    try {
      const [row] = await this.#ask<{ can_write: boolean }>(CAN_WRITE);
      return { kind: row?.can_write === true ? "writable" : "read_only" };
    } catch (error) {
      if (errorCodes(error).includes(ALL_READ_ONLY)) return { kind: "read_only" };
      return { kind: "failed", error, beganAt };
    }
  }

  async #probeDisk(): Promise<void> {
    const { health } = this.#database;
    if (this.#roundsUntilDisk > 0 && health.condition !== "full") return;
    this.#roundsUntilDisk = ROUNDS_PER_DISK_PROBE;
    try {
      await this.#ask(WRITE_TO_DISK);
      health.probedDisk(true);
    } catch (error) {
      if (errorCodes(error).includes(DISK_FULL)) health.probedDisk(false);
      else this.#dropConnection();
    }
  }

  /** Rejects with `DatabaseTimeoutError` when no answer arrives in time. */
  async #ask<Row extends object>(
    statement: string,
    parameters: string[] = [],
  ): Promise<readonly Row[]> {
    const { promise: overdue, reject } = Promise.withResolvers<never>();
    const expire = (): void =>
      reject(new DatabaseTimeoutError(`a probe took longer than ${PROBE_TIMEOUT_MS} ms`));
    const { clock } = this.#runtime;
    let timer = clock.setTimer(PROBE_TIMEOUT_MS, () => {
      // After a stall the answer may have arrived without having been read.
      timer = clock.setTimer(UNREAD_GRACE_MS, expire);
    });
    try {
      const connection = await this.#connected(overdue);
      return await Promise.race([connection.sql.unsafe<Row[]>(statement, parameters), overdue]);
    } finally {
      timer.cancel();
    }
  }

  async #connected(overdue: Promise<never>): Promise<Connection> {
    if (this.#connection !== null && !this.#connection.isLost) return this.#connection;
    const opening = this.#database.openProbeConnection();
    try {
      this.#connection = await Promise.race([opening, overdue]);
      return this.#connection;
    } catch (error) {
      // A connection that opens too late is closed.
      opening.then((late) => late.destroy()).catch(() => {});
      throw error;
    }
  }

  #dropConnection(): void {
    this.#connection?.destroy();
    this.#connection = null;
  }

  #report(finding: ProbeFinding): void {
    const { log } = this.#runtime;
    const { condition } = this.#database.health;
    if (condition === this.#lastCondition) return;
    this.#lastCondition = condition;
    if (condition === "ok") {
      log.info("the database can be used again");
      return;
    }
    const reason = finding.kind === "failed" ? { err: finding.error } : {};
    log.error({ condition, ...reason }, "the database can't be used; requests are refused");
  }
}
