import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";

/*
 * Many writers, few statements. Rows wait in one queue and leave in batches:
 *
 *   idle                        → on the next turn of the event loop, so that everything read
 *                                 from the sockets in this turn shares a batch and a lone writer
 *                                 waits for nothing
 *   a batch in flight, one free → when full, or when the oldest row has waited `lingerMs`
 *   no batch free               → when one is done
 *
 * A transient error retries the batch; a permanent one halves it until the bad row stands alone,
 * so that one client's bad input never fails another's request. A commit whose answer was lost may
 * have happened: statements used here must be idempotent.
 */

const RETRY_DELAY_MS_FIRST = 50;
const RETRY_DELAY_MS_MAX = 5_000;

export interface GroupCommitOptions<Row, Result> {
  /** Names the queue in errors. */
  readonly name: string;
  /** Writes the rows durably; resolves to one result a row, in the order of the rows given. */
  readonly commit: (rows: readonly Row[]) => Promise<readonly Result[]>;
  /** Orders a batch by primary key: two batches that lock rows in one order can't deadlock. */
  readonly compare: (a: Row, b: Row) => number;
  /** True when the same batch may succeed later: lost connection, deadlock, timeout. */
  readonly isTransient: (error: unknown) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly lingerMs?: number;
  readonly rowsPerBatchMax?: number;
  /** What a row weighs in a batch; a batch holds one row at least. */
  readonly bytesOf?: (row: Row) => number;
  readonly bytesPerBatchMax?: number;
  readonly batchesInFlightMax?: number;
  /** Rows that may wait; rows in flight come on top. */
  readonly queuedRowsMax?: number;
  /** How long transient errors are retried, counted from a batch's first try; for ever if absent. */
  readonly retryForMs?: number;
  /** How long `stop` waits for what is queued. */
  readonly stopTimeoutMs?: number;
  /** Told about every retry, for the log. */
  readonly onRetry?: (retry: { error: unknown; rows: number; delayMs: number }) => void;
}

/** The queue is at its limit: nothing of this row was kept. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

/** The queue was stopped before this row's commit was confirmed; it may or may not be stored. */
export class QueueStoppedError extends Error {
  override readonly name = "QueueStoppedError";
}

interface Entry<Row, Result> {
  readonly row: Row;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit<Row, Result> {
  readonly #options: Required<Omit<GroupCommitOptions<Row, Result>, "onRetry">> &
    Pick<GroupCommitOptions<Row, Result>, "onRetry">;
  #waiting: Entry<Row, Result>[] = [];
  readonly #inFlight = new Set<readonly Entry<Row, Result>[]>();
  readonly #pauses = new Set<() => void>();
  /** A batch is already due on the next turn, or after the linger. */
  #wakeUp: "none" | "next_turn" | "linger" = "none";
  #abandoned = false;
  #stopped: Promise<void> | null = null;
  #onDrained: (() => void) | null = null;

  constructor(options: GroupCommitOptions<Row, Result>) {
    this.#options = {
      lingerMs: 2,
      rowsPerBatchMax: 500,
      bytesOf: () => 0,
      bytesPerBatchMax: Infinity,
      batchesInFlightMax: 1,
      queuedRowsMax: 20_000,
      retryForMs: Infinity,
      stopTimeoutMs: 5_000,
      ...options,
    };
  }

  /** Rows waiting for a batch, without those in flight. */
  get queuedRows(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves to the row's own result once its batch is committed. Rejects with `QueueFullError` or
   * `QueueStoppedError` at once, or with the error of its commit.
   */
  write(row: Row): Promise<Result> {
    if (this.#stopped !== null) return Promise.reject(this.#stoppedError());
    if (this.#waiting.length >= this.#options.queuedRowsMax) {
      return Promise.reject(new QueueFullError(`the queue of ${this.#options.name} is full`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ row, resolve, reject });
      this.#schedule();
    });
  }

  /** Refuses new rows, waits for those queued at most `stopTimeoutMs`, then rejects the rest. */
  stop(): Promise<void> {
    this.#stopped ??= this.#drain();
    return this.#stopped;
  }

  #schedule(): void {
    const { batchesInFlightMax, rowsPerBatchMax, clock, lingerMs } = this.#options;
    if (this.#waiting.length === 0 || this.#inFlight.size >= batchesInFlightMax) return;
    const now =
      this.#inFlight.size === 0 ||
      this.#waiting.length >= rowsPerBatchMax ||
      this.#stopped !== null;
    if (now && this.#wakeUp !== "next_turn") {
      this.#wakeUp = "next_turn";
      setImmediate(() => this.#send());
    } else if (this.#wakeUp === "none") {
      this.#wakeUp = "linger";
      clock.setTimer(lingerMs, () => this.#send());
    }
  }

  /** Sends one batch; a linger that fires after its rows have gone only sends the next a little early. */
  #send(): void {
    this.#wakeUp = "none";
    const { batchesInFlightMax, compare } = this.#options;
    if (this.#waiting.length === 0 || this.#inFlight.size >= batchesInFlightMax) return;
    const batch = this.#waiting.splice(0, this.#nextBatchRows());
    batch.sort((a, b) => compare(a.row, b.row));
    this.#inFlight.add(batch);
    void this.#settle(batch, this.#options.clock.monotonic()).then(() => {
      this.#inFlight.delete(batch);
      this.#schedule();
      if (this.#inFlight.size === 0 && this.#waiting.length === 0) this.#onDrained?.();
    });
    this.#schedule();
  }

  /** How many of the rows that wait go together. */
  #nextBatchRows(): number {
    const { rowsPerBatchMax, bytesOf, bytesPerBatchMax } = this.#options;
    if (bytesPerBatchMax === Infinity) return rowsPerBatchMax;
    let rows = 0;
    let bytes = 0;
    for (const { row } of this.#waiting) {
      bytes += bytesOf(row);
      if (rows > 0 && (rows === rowsPerBatchMax || bytes > bytesPerBatchMax)) break;
      rows += 1;
    }
    return rows;
  }

  /** Commits the entries and answers every one of them; never rejects. */
  async #settle(entries: readonly Entry<Row, Result>[], startedAt: number): Promise<void> {
    const outcome = await this.#commitWithRetries(entries, startedAt);
    if (outcome.kind === "committed") {
      for (const [index, entry] of entries.entries())
        entry.resolve(outcome.results[index] as Result);
    } else if (outcome.kind === "refused" && entries.length > 1) {
      const middle = entries.length >> 1;
      await this.#settle(entries.slice(0, middle), startedAt);
      await this.#settle(entries.slice(middle), startedAt);
    } else {
      for (const entry of entries) entry.reject(outcome.error);
    }
  }

  async #commitWithRetries(
    entries: readonly Entry<Row, Result>[],
    startedAt: number,
  ): Promise<Outcome<Result>> {
    const rows = entries.map((entry) => entry.row);
    for (let failures = 0; !this.#abandoned; failures += 1) {
      const outcome = await this.#tryCommit(rows);
      if (outcome.kind !== "transient") return outcome;
      const delayMs = retryDelayMs(failures, this.#options.random());
      const elapsedMs = this.#options.clock.monotonic() - startedAt;
      if (elapsedMs + delayMs > this.#options.retryForMs)
        return { kind: "failed", error: outcome.error };
      this.#options.onRetry?.({ error: outcome.error, rows: rows.length, delayMs });
      await this.#pause(delayMs);
    }
    return { kind: "failed", error: this.#stoppedError() };
  }

  async #tryCommit(
    rows: readonly Row[],
  ): Promise<Outcome<Result> | { kind: "transient"; error: unknown }> {
    try {
      const results = await this.#options.commit(rows);
      if (results.length === rows.length) return { kind: "committed", results };
      // The rows are stored but can't be told apart: trying again would not help.
      const counts = `${results.length} results for ${rows.length} rows`;
      return {
        kind: "failed",
        error: new Error(`the commit of ${this.#options.name} returned ${counts}`),
      };
    } catch (error) {
      return { kind: this.#options.isTransient(error) ? "transient" : "refused", error };
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

  #drain(): Promise<void> {
    if (this.#inFlight.size === 0 && this.#waiting.length === 0) return Promise.resolve();
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
    const rest = [...this.#inFlight, this.#waiting].flat();
    this.#waiting = [];
    for (const entry of rest) entry.reject(this.#stoppedError());
    for (const wake of this.#pauses) wake();
  }

  #stoppedError(): QueueStoppedError {
    return new QueueStoppedError(`the queue of ${this.#options.name} is stopped`);
  }
}

type Outcome<Result> =
  | { readonly kind: "committed"; readonly results: readonly Result[] }
  /** The statement failed for good: one of the rows is bad. */
  | { readonly kind: "refused"; readonly error: unknown }
  /** Failed whatever the rows: out of time, stopped, or a broken commit. */
  | { readonly kind: "failed"; readonly error: unknown };

/** Doubles from 50 ms to 5 s; between half and all of it, so that nodes don't retry in step. */
function retryDelayMs(failures: number, random: number): number {
  const fullMs = Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_FIRST * 2 ** failures);
  return fullMs * (0.5 + 0.5 * random);
}
