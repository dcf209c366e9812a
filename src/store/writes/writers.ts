import { releaseResult, utf8OfResult } from "../../core/json/raw-result.ts";
import type { SharedResource } from "../../lanes/shares/shared-resources.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import {
  type AcceptedRow,
  type AcceptRow,
  acceptSubscriptions,
  type LatestLoneJob,
} from "./accept-subscriptions.ts";
import type { CommitFailure, Patience } from "../db/commit-outcome.ts";
import type { CallOptions } from "../db/bounded-calls.ts";
import type { Database } from "../db/database.ts";
import { GroupCommit, type WaitingRequest } from "./group-commit.ts";
import { type AttemptRow, recordAttempts } from "./record-attempts.ts";
import { type EventRow, type RecordedEvent, recordEvents } from "./record-events.ts";
import { IN_ROW_BYTES_MAX, storeResult } from "./result-parts.ts";
import { isLockTimeout, isLostInUse, isTimeout, isTransient } from "../db/errors.ts";
import type { Metrics } from "../../runtime/metrics.ts";

/** Gauges of the queues of rows. */
export function registerWriteGauges(metrics: Metrics, writers: Writers): void {
  metrics.gauge("ringback_rows_waiting", "Rows that wait for a batch.", () => writers.queuedRows);
  metrics.gauge(
    "ringback_rows_set_aside",
    "Rows that wait for locks held by other transactions, or that take too long, apart from the rest.",
    () => writers.rowsSetAside,
  );
  metrics.gauge(
    "ringback_oldest_unrecorded_event_seconds",
    "How long the oldest event has been waiting to be recorded; 0 without any.",
    () => writers.oldestUnrecordedEventMs / 1000,
  );
  metrics.gauge(
    "ringback_oldest_unrecorded_attempt_seconds",
    "How long the oldest delivery attempt has been waiting to be recorded; 0 without any.",
    () => writers.oldestUnrecordedAttemptMs / 1000,
  );
}

/** Tracks work that has begun and not ended. */
class Unfinished {
  readonly #clock: Clock;
  /** A set keeps the order of insertion, so the first is the oldest. */
  readonly #starts = new Set<{ readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long the oldest has been waiting, in monotonic milliseconds; 0 without any. */
  get oldestMs(): number {
    const [oldest] = this.#starts;
    return oldest === undefined ? 0 : this.#clock.monotonic() - oldest.at;
  }

  /** Counts `work` until it settles. */
  async during<T>(work: Promise<T>): Promise<T> {
    const start = { at: this.#clock.monotonic() };
    this.#starts.add(start);
    try {
      return await work;
    } finally {
      this.#starts.delete(start);
    }
  }
}

export interface WritersOptions {
  /** Notified for the sweep: a job may be stored without being handed over. */
  readonly activity?: { touch(shardId: number): void };
  readonly database: Database;
  /** How long `stop` waits for queued rows. */
  readonly stopTimeoutMs: number;
  /** True while the database is known to be unreachable or to take no writes. */
  readonly isDatabaseAway: () => boolean;
  /** Larger results are sent by reference: once they are stored, their bytes are not needed. */
  readonly inlineResultBytesMax: number;
}

/** At most as long as the requests that wait for it. */
const ACCEPT_RETRY_FOR_MS = 5_000;
const ACCEPTS_QUEUED_MAX = 20_000;
// Large results go a few at a time: memory holds a batch three times on its way out, as the
// results, as the statement's parameter, and as the driver's bytes.
const LARGE_RESULT_BYTES = 64 * 1024;
const LARGE_BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** At a few hundred a second ten share a commit; a crash sends again the callbacks of so long. */
const TAKEN_GATHERED_MS = 50;
const TAKEN_GATHERED_MAX = 16;
/** Each is sent part by part, so that memory never holds a second copy of it. */
const RESULTS_IN_PARTS_AT_ONCE = 2;

/** Every row that is written at a rate goes through one of these queues. */
export class Writers {
  readonly #subscriptions: GroupCommit<AcceptRow, AcceptedRow>;
  readonly #events: GroupCommit<EventRow, RecordedEvent>;
  readonly #largeEvents: GroupCommit<EventRow, RecordedEvent>;
  readonly #resultsInParts: GroupCommit<EventRow, null>;
  readonly #attempts: GroupCommit<AttemptRow, boolean>;
  readonly #inlineResultBytesMax: number;
  readonly #activity: WritersOptions["activity"];
  readonly #unrecordedEvents: Unfinished;
  readonly #unrecordedAttempts: Unfinished;

  constructor(runtime: Pick<Runtime, "clock" | "random" | "log">, options: WritersOptions) {
    const { clock, random, log } = runtime;
    const { database, inlineResultBytesMax, isDatabaseAway, activity, stopTimeoutMs } = options;
    this.#activity = activity;
    this.#inlineResultBytesMax = inlineResultBytesMax;
    this.#unrecordedEvents = new Unfinished(clock);
    this.#unrecordedAttempts = new Unfinished(clock);
    const queue = (resource: SharedResource) => ({
      clock,
      random,
      stopTimeoutMs,
      resource,
      groupOf: projectOf,
      failureOf: (error: unknown) => failureOf(error, isDatabaseAway()),
      onSetAside: ({ error, rows }: { error: unknown; rows: number }) =>
        log.warn(
          { err: error, queue: resource, rows },
          "a batch met a locked row or took too long and was set aside; later rows are written first",
        ),
      onRetry: ({ error, rows, delayMs }: { error: unknown; rows: number; delayMs: number }) =>
        log.warn(
          { err: error, queue: resource, rows, delayMs: Math.round(delayMs) },
          "a batch could not be written; retrying",
        ),
    });
    // Retried without limit, and unbounded here: each of these rows waits for its own job or
    // delivery, and those are bounded by their lanes and the outbox.
    const unlimited = { queuedRowsMax: Infinity };
    const events = {
      fromAnswers: true,
      commit: (rows: readonly EventRow[], patience: Patience) =>
        recordEvents(database, rows, bounded(patience)),
      compare: (a: EventRow, b: EventRow) =>
        a.shardId - b.shardId || compareText(a.jobRowId, b.jobRowId),
    };
    const latestLoneJob: LatestLoneJob = { kind: "new" };
    this.#subscriptions = new GroupCommit<AcceptRow, AcceptedRow>({
      ...queue("subscription_rows"),
      commit: (rows, patience) =>
        acceptSubscriptions(database, rows, bounded(patience), latestLoneJob),
      compare: (a, b) =>
        a.shardId - b.shardId ||
        compareText(a.connectionId, b.connectionId) ||
        compareText(a.jobId, b.jobId),
      retryForMs: ACCEPT_RETRY_FOR_MS,
      queuedRowsMax: ACCEPTS_QUEUED_MAX,
      batchesInFlightMax: 2,
    });
    this.#events = new GroupCommit({ ...queue("event_rows"), ...unlimited, ...events });
    this.#largeEvents = new GroupCommit({
      ...queue("large_event_rows"),
      ...unlimited,
      ...events,
      bytesOf: (row: EventRow) => row.resultBytes,
      bytesPerBatchMax: LARGE_BATCH_BYTES_MAX,
    });
    this.#resultsInParts = new GroupCommit({
      ...queue("result_rows"),
      ...unlimited,
      commit: (rows, patience) =>
        Promise.all(rows.map((row) => storeInParts(database, row, bounded(patience)))),
      compare: events.compare,
      rowsPerBatchMax: 1,
      batchesInFlightMax: RESULTS_IN_PARTS_AT_ONCE,
    });
    this.#attempts = new GroupCommit<AttemptRow, boolean>({
      ...queue("attempt_rows"),
      ...unlimited,
      fromAnswers: true,
      commit: (rows, patience) => recordAttempts(database, rows, bounded(patience)),
      compare: (a, b) => a.shardId - b.shardId || compareText(a.deliveryId, b.deliveryId),
      // The receiver has its callback, and its lane goes on: only a crash would send it once more.
      gathering: {
        forMs: TAKEN_GATHERED_MS,
        rowsMax: TAKEN_GATHERED_MAX,
        mayWait: ({ status }) => status === "delivered",
      },
    });
  }

  get queuedRows(): number {
    return this.#all().reduce((sum, queue) => sum + queue.queuedRows, 0);
  }

  /** Rows that wait for locks held by others, apart from the rest. */
  get rowsSetAside(): number {
    return this.#all().reduce((sum, queue) => sum + queue.rowsSetAside, 0);
  }

  /** How long the oldest event has been waiting to be recorded; 0 without any. */
  get oldestUnrecordedEventMs(): number {
    return this.#unrecordedEvents.oldestMs;
  }

  /** How long the oldest attempt has been waiting to be recorded; 0 without any. */
  get oldestUnrecordedAttemptMs(): number {
    return this.#unrecordedAttempts.oldestMs;
  }

  /** Rejects at once with `QueueFullError` when too many wait; see `GroupCommit.write`. */
  accept(row: AcceptRow, request?: WaitingRequest<AcceptedRow>): Promise<AcceptedRow> {
    this.#activity?.touch(row.shardId);
    return this.#subscriptions.write(row, request);
  }

  recordEvent(row: EventRow): Promise<RecordedEvent> {
    return this.#unrecordedEvents.during(this.#recordBySize(row));
  }

  /** Resolves to false when another attempt with the same number was recorded before. */
  recordAttempt(row: AttemptRow): Promise<boolean> {
    return this.#unrecordedAttempts.during(this.#attempts.write(row));
  }

  /** Refuses new rows and writes those queued, as far as time allows. */
  async stop(): Promise<void> {
    // First, since their events follow them.
    await this.#resultsInParts.stop();
    await Promise.all(this.#all().map((queue) => queue.stop()));
  }

  #recordBySize(row: EventRow): Promise<RecordedEvent> {
    if (row.resultBytes <= LARGE_RESULT_BYTES) return this.#events.write(row);
    if (row.resultBytes <= IN_ROW_BYTES_MAX) return this.#largeEvents.write(row);
    return this.#recordAfterResult(row);
  }

  async #recordAfterResult(row: EventRow): Promise<RecordedEvent> {
    await this.#resultsInParts.write(row);
    if (row.result !== null && row.resultBytes > this.#inlineResultBytesMax)
      releaseResult(row.result);
    return this.#events.write({ ...row, result: null });
  }

  #all() {
    return [
      this.#subscriptions,
      this.#events,
      this.#largeEvents,
      this.#resultsInParts,
      this.#attempts,
    ];
  }
}

function projectOf({ projectId }: { readonly projectId: string }): string {
  return projectId;
}

async function storeInParts(
  database: Database,
  row: EventRow,
  options: CallOptions,
): Promise<null> {
  const { shardId, eventId, result } = row;
  if (result !== null)
    await storeResult(database, { shardId, eventId, json: utf8OfResult(result) }, options);
  return null;
}

/** Enough for locks that are held briefly, where many rows are tried one after the other. */
const BRIEF_LOCK_WAIT_MS = 50;
/** Many times the duration of a full batch; less than a row may take that is retried alone. */
const BRIEF_STATEMENT_MS = 3_000;

function bounded(patience: Patience): CallOptions {
  return patience === "brief"
    ? { lockTimeoutMs: BRIEF_LOCK_WAIT_MS, statementTimeoutMs: BRIEF_STATEMENT_MS }
    : { isFrequent: true };
}

/** No row is to blame for a call that took too long or was cut off while the database was down. */
function failureOf(error: unknown, isDatabaseAway: boolean): CommitFailure {
  if (isLockTimeout(error)) return "locked";
  if (isTimeout(error) && !isDatabaseAway) return "timed_out";
  if (isLostInUse(error) && !isDatabaseAway) return "lost";
  return isTransient(error) ? "transient" : "refused";
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
