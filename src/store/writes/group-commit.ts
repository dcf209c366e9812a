import type { SharedResource } from "../../lanes/shares/shared-resources.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { RequestDeadline } from "../../runtime/request-deadline.ts";
import {
  answer,
  type CommitFailure,
  type CommitOutcome,
  type Entry,
  type Patience,
  commitRetryDelayMs,
} from "../db/commit-outcome.ts";
import { SetAsideRows } from "./set-aside-rows.ts";
import { WaitingRows } from "./waiting-rows.ts";
import { NotBegunInTimeError } from "../db/errors.ts";

/*
 * Many writers, few statements. Rows wait, each in the queue of its project, and leave in batches that
 * take one row of each project in turn:
 *
 *   idle                        → on the next turn of the event loop, so that everything read
 *                                 from the sockets in this turn shares a batch and a lone writer
 *                                 waits for nothing; one turn later where rows come from answers
 *   idle, rows may wait          → when there are enough, or when the oldest has waited `gathering.forMs`
 *   a batch in flight, one free → when full, or when the oldest row has waited `batchDelayMs`
 *   no batch free               → when one is done
 *
 * A transient error retries the batch; a permanent one halves it until the bad row is alone,
 * so that one client's bad input never fails another's request. A batch whose connection was lost is
 * halved as well, and the next ones are smaller, since some networks lose long messages only. A batch that met a row whose lock
 * is held for long, or that took too long, is set aside (`set-aside-rows.ts`), so that the rows behind
 * it go on. A commit whose answer was lost may have happened: statements used here must be idempotent.
 */

export interface GroupCommitOptions<Row, Result> extends Pick<Runtime, "clock" | "random"> {
  /** Also the name of the queue in errors. */
  readonly resource: SharedResource;
  /** Writes the rows durably; resolves to one result a row, in the order of the rows given. */
  readonly commit: (rows: readonly Row[], patience: Patience) => Promise<readonly Result[]>;
  /** Orders a batch by primary key: two batches that lock rows in one order can't deadlock. */
  readonly compare: (a: Row, b: Row) => number;
  /** Whose row it is: groups take turns. */
  readonly groupOf: (row: Row) => string;
  readonly failureOf: (error: unknown) => CommitFailure;
  readonly batchDelayMs?: number;
  /**
   * Rows come from answers to requests that were sent together: the first is dealt with while the others
   * arrive, which are read in the next turn of the event loop.
   */
  readonly fromAnswers?: boolean;
  /** Rows that nothing waits for may wait for others, so that fewer commits store them. */
  readonly gathering?: {
    /** How long at most. No longer than a turn where waiting has brought no second row. */
    readonly forMs: number;
    /** So many leave at once. */
    readonly rowsMax: number;
    readonly mayWait: (row: Row) => boolean;
  };
  readonly rowsPerBatchMax?: number;
  /** Size of a row in a batch; a batch holds at least one row. */
  readonly bytesOf?: (row: Row) => number;
  readonly bytesPerBatchMax?: number;
  readonly batchesInFlightMax?: number;
  /** Rows that may wait, in addition to those in flight. */
  readonly queuedRowsMax?: number;
  /** Rows that may be set aside; beyond that a batch is retried in its place. */
  readonly rowsSetAsideMax?: number;
  /**
   * How long transient errors are retried, counted from a batch's first try; without limit if
   * absent.
   */
  readonly retryForMs?: number;
  /** How long `stop` waits for queued rows. */
  readonly stopTimeoutMs?: number;
  /** Called on every retry, for the log. */
  readonly onRetry?: (retry: { error: unknown; rows: number; delayMs: number }) => void;
  /** Called for every batch that is set aside, for the log. */
  readonly onSetAside?: (batch: { error: unknown; rows: number }) => void;
}

/** The queue is full: the row was not kept. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

/** The queue was stopped before this row's commit was confirmed; it may or may not be stored. */
export class QueueStoppedError extends Error {
  override readonly name = "QueueStoppedError";
}

/** The request that waits for a row. */
export interface WaitingRequest<Result> {
  readonly deadline: RequestDeadline;
  /** Receives the row's result if it comes after the deadline, since the row is stored. */
  readonly late: (result: Result) => void;
}

type Optional = "onRetry" | "onSetAside" | "gathering";

export class GroupCommit<Row, Result> {
  readonly #options: Required<Omit<GroupCommitOptions<Row, Result>, Optional>> &
    Pick<GroupCommitOptions<Row, Result>, Optional>;
  readonly #setAside: SetAsideRows<Row, Result>;
  readonly #waiting: WaitingRows<Row, Result>;
  readonly #inFlight = new Set<readonly Entry<Row, Result>[]>();
  readonly #pauses = new Set<() => void>();
  /** Whether a batch is already due on the next turn, or after a delay. */
  #wakeUp: "none" | "next_turn" | "timer" = "none";
  /** Whether a waiting row must not wait for others. */
  #isUrgent = false;
  #lastRowAtMs = -Infinity;
  /** Whether rows come so soon after others that waiting for them saves a batch. */
  #isWaitingWorthwhile = false;
  #abandoned = false;
  #stopped: Promise<void> | null = null;
  #onDrained: (() => void) | null = null;

  constructor(options: GroupCommitOptions<Row, Result>) {
    this.#options = {
      batchDelayMs: 2,
      fromAnswers: false,
      rowsPerBatchMax: 500,
      bytesOf: () => 0,
      bytesPerBatchMax: Infinity,
      batchesInFlightMax: 1,
      queuedRowsMax: 20_000,
      rowsSetAsideMax: 5_000,
      retryForMs: Infinity,
      stopTimeoutMs: 5_000,
      ...options,
    };
    this.#waiting = new WaitingRows(this.#options);
    this.#setAside = new SetAsideRows({
      ...this.#options,
      commit: (entries, patience) => this.#tryCommit(entries, patience),
      onIdle: () => this.#whenDrained(),
    });
  }

  /** Rows waiting for a batch, without those in flight. */
  get queuedRows(): number {
    return this.#waiting.count;
  }

  /** Rows set aside because they or others of their batch are locked or take too long. */
  get rowsSetAside(): number {
    return this.#setAside.rows;
  }

  /**
   * Resolves to the row's own result once its batch is committed. Rejects with `QueueFullError` or
   * `QueueStoppedError` at once, or with the error of its commit. When the request's deadline passes,
   * a row that still waits for a batch is withdrawn (`NotBegunInTimeError`: it is not stored); one
   * in a batch may or may not be stored (`DeadlinePassedError`).
   */
  write(row: Row, request?: WaitingRequest<Result>): Promise<Result> {
    if (this.#stopped !== null) return Promise.reject(this.#stoppedError());
    const { queuedRowsMax } = this.#options;
    if (this.#waiting.count + this.#setAside.rows >= queuedRowsMax) {
      return Promise.reject(new QueueFullError(`the queue ${this.#options.resource} is full`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const settle = (result: Result): void => {
      if (request?.deadline.hasPassed === true) request.late(result);
      else resolve(result);
    };
    const entry = { row, resolve: settle, reject };
    request?.deadline.onPassed((passed) => reject(this.#withdraw(entry, passed)));
    this.#waiting.add(entry);
    this.#noteArrival(row);
    this.#schedule();
    return promise;
  }

  /** Refuses new rows, waits for those queued at most `stopTimeoutMs`, then rejects the rest. */
  stop(): Promise<void> {
    this.#stopped ??= this.#drain();
    this.#schedule();
    return this.#stopped;
  }

  /** Removes an entry if that is still possible; returns the error for its writer. */
  #withdraw(entry: Entry<Row, Result>, passed: unknown): unknown {
    if (!this.#waiting.remove(entry)) return passed;
    return new NotBegunInTimeError(`${this.#options.resource}: no batch left in time`);
  }

  #noteArrival(row: Row): void {
    const { gathering, clock } = this.#options;
    if (gathering === undefined) return;
    this.#isUrgent ||= !gathering.mayWait(row);
    const nowMs = clock.monotonic();
    this.#isWaitingWorthwhile ||= nowMs - this.#lastRowAtMs < gathering.forMs;
    this.#lastRowAtMs = nowMs;
  }

  /** For how long the waiting rows may wait for others while no batch is in flight. */
  get #gatheringMs(): number {
    const { gathering } = this.#options;
    if (gathering === undefined || this.#isUrgent || !this.#isWaitingWorthwhile) return 0;
    return this.#waiting.count < gathering.rowsMax ? gathering.forMs : 0;
  }

  #schedule(): void {
    const { batchesInFlightMax, rowsPerBatchMax, clock, batchDelayMs } = this.#options;
    if (this.#waiting.count === 0 || this.#inFlight.size >= batchesInFlightMax) return;
    const delayMs = this.#inFlight.size === 0 ? this.#gatheringMs : batchDelayMs;
    const now = delayMs === 0 || this.#waiting.count >= rowsPerBatchMax || this.#stopped !== null;
    if (now && this.#wakeUp !== "next_turn") {
      this.#wakeUp = "next_turn";
      const send = (): void => this.#send();
      setImmediate(this.#options.fromAnswers ? () => setImmediate(send) : send);
    } else if (this.#wakeUp === "none") {
      this.#wakeUp = "timer";
      clock.setTimer(delayMs, () => this.#send());
    }
  }

  /**
   * Sends one batch; a timer that fires after its rows have left only sends the next one a little
   * early.
   */
  #send(): void {
    this.#wakeUp = "none";
    const { batchesInFlightMax, compare } = this.#options;
    if (this.#waiting.count === 0 || this.#inFlight.size >= batchesInFlightMax) return;
    const batch = this.#waiting.takeBatch();
    if (this.#waiting.count === 0) this.#isUrgent = false;
    if (batch.length === 1) this.#isWaitingWorthwhile = false;
    batch.sort((a, b) => compare(a.row, b.row));
    this.#inFlight.add(batch);
    void this.#settle(batch, this.#options.clock.monotonic()).then(() => {
      this.#inFlight.delete(batch);
      this.#schedule();
      this.#whenDrained();
    });
    this.#schedule();
  }

  /** Commits the entries and answers every one of them, or sets them aside; never rejects. */
  async #settle(entries: readonly Entry<Row, Result>[], startedAt: number): Promise<void> {
    const outcome = await this.#commitWithRetries(entries, startedAt);
    if (outcome.kind === "locked" || outcome.kind === "timed_out") {
      this.#options.onSetAside?.({ error: outcome.error, rows: entries.length });
      this.#setAside.add(entries, startedAt);
    } else if (outcome.kind === "lost" || (outcome.kind === "refused" && entries.length > 1)) {
      const middle = entries.length >> 1;
      await this.#settle(entries.slice(0, middle), startedAt);
      await this.#settle(entries.slice(middle), startedAt);
    } else {
      answer(entries, outcome);
    }
  }

  /** Retries whole, but for more than one row whose connection was lost: they are to be halved. */
  async #commitWithRetries(
    entries: readonly Entry<Row, Result>[],
    startedAt: number,
  ): Promise<Exclude<CommitOutcome<Result>, { kind: "transient" }>> {
    for (let failures = 0; !this.#abandoned; failures += 1) {
      // Once a row is known to be stuck, the next batch that meets it loses little time on it.
      const patience = this.#setAside.isIdle ? "patient" : "brief";
      const outcome = await this.#tryCommit(entries, patience);
      if (outcome.kind === "committed") this.#waiting.batchCommitted(entries.length);
      if (outcome.kind === "lost") this.#waiting.batchLost(entries.length);
      if (isOver(outcome)) return outcome;
      if (isStuck(outcome) && this.#canSetAside(entries)) return outcome;
      const delayMs = commitRetryDelayMs(failures, this.#options.random());
      const elapsedMs = this.#options.clock.monotonic() - startedAt;
      if (elapsedMs + delayMs > this.#options.retryForMs)
        return { kind: "failed", error: outcome.error };
      this.#options.onRetry?.({ error: outcome.error, rows: entries.length, delayMs });
      await this.#pause(delayMs);
      if (outcome.kind === "lost" && entries.length > 1) return outcome;
    }
    return { kind: "failed", error: this.#stoppedError() };
  }

  #canSetAside(entries: readonly unknown[]): boolean {
    return this.#setAside.rows + entries.length <= this.#options.rowsSetAsideMax;
  }

  async #tryCommit(
    entries: readonly Entry<Row, Result>[],
    patience: Patience,
  ): Promise<CommitOutcome<Result>> {
    const { resource, commit, failureOf } = this.#options;
    const rows = entries.map((entry) => entry.row);
    try {
      const results = await commit(rows, patience);
      if (results.length === rows.length) return { kind: "committed", results };
      // The rows are stored but can't be matched to results, so trying again would not help.
      const counts = `${results.length} results for ${rows.length} rows`;
      return { kind: "failed", error: new Error(`the commit of ${resource} returned ${counts}`) };
    } catch (error) {
      return { kind: failureOf(error), error };
    }
  }

  /** Waits for the clock, or until the queue is abandoned. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#pauses.delete(wake);
        resolve();
      };
      const timer = this.#options.clock.setTimer(delayMs, wake);
      if (this.#abandoned) wake();
      else this.#pauses.add(wake);
    });
  }

  get #isDrained(): boolean {
    return this.#inFlight.size === 0 && this.#waiting.count === 0 && this.#setAside.isIdle;
  }

  #whenDrained(): void {
    if (this.#isDrained) this.#onDrained?.();
  }

  #drain(): Promise<void> {
    if (this.#isDrained) return Promise.resolve();
    return new Promise((resolve) => {
      const timeout = this.#options.clock.setTimer(this.#options.stopTimeoutMs, () => {
        this.#abandon();
        resolve();
      });
      this.#onDrained = () => {
        timeout.cancel();
        resolve();
      };
    });
  }

  #abandon(): void {
    this.#abandoned = true;
    const rest = [...this.#inFlight, this.#waiting.takeAll(), this.#setAside.abandon()].flat();
    for (const entry of rest) entry.reject(this.#stoppedError());
    for (const wake of this.#pauses) wake();
  }

  #stoppedError(): QueueStoppedError {
    return new QueueStoppedError(`the queue ${this.#options.resource} is stopped`);
  }
}

type FinalOutcome<Result> = Extract<
  CommitOutcome<Result>,
  { kind: "committed" | "refused" | "failed" }
>;

function isOver<Result>(outcome: CommitOutcome<Result>): outcome is FinalOutcome<Result> {
  return outcome.kind === "committed" || outcome.kind === "refused" || outcome.kind === "failed";
}

function isStuck<Result>(
  outcome: CommitOutcome<Result>,
): outcome is Extract<CommitOutcome<Result>, { kind: "locked" | "timed_out" }> {
  return outcome.kind === "locked" || outcome.kind === "timed_out";
}
