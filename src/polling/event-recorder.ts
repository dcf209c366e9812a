import type { EndingWaits } from "../delivery/waits/ending-waits.ts";
import type { Writers } from "../store/writes/writers.ts";
import type { FanOutRunner } from "../delivery/fan-out-runner.ts";
import type { DeliveryLoop } from "../delivery/delivery-loop.ts";
import type { EventType } from "../core/delivery/event.ts";
import type { Ending } from "../core/job/job.ts";
import type { EventRow } from "../store/writes/record-events.ts";
import { contentOfRow, endingRow, progressRow } from "./events.ts";
import type { FetchOutcome } from "./result/fetcher.ts";
import type { Watch } from "./watch/watch.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** The outcome of recording an event. */
type RecordOutcome =
  | "recorded"
  /** The job ended otherwise before, or its deadline has moved. */
  | "overtaken"
  /** The database refused it for good, which only a bug brings about. */
  | "refused";

export interface EventRecorderOptions {
  readonly writers: Pick<Writers, "recordEvent">;
  /** Continues events of jobs with more subscriptions than one statement takes. */
  readonly fanOuts: Pick<FanOutRunner, "begin">;
  readonly endingWaits: Pick<EndingWaits, "ended">;
  readonly deliveryLoop: Pick<DeliveryLoop, "enqueue">;
}

/**
 * Records what happens to jobs and hands on what that owes. A job's events are recorded one after
 * the other: in one batch, only one of them could be the job's newest.
 */
export class EventRecorder {
  readonly #runtime: Runtime;
  readonly #options: EventRecorderOptions;
  /** The record in progress that came last, by slot of the watch. */
  readonly #lastRecord = new Map<number, Promise<RecordOutcome>>();

  constructor(runtime: Runtime, options: EventRecorderOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /**
   * Records an ending of a watch that is held.
   * @param fetch what became of fetching its result; a stored one gives the event its id and time
   */
  recordEnding(
    watch: Watch,
    ending: Ending,
    fetch: Exclude<FetchOutcome, { kind: "stopped" }> | null = null,
  ): Promise<RecordOutcome> {
    return this.#inOrder(watch, () => {
      if (fetch?.kind !== "stored") {
        return endingRow(watch, ending, this.#newEvent(watch), fetch?.note ?? null);
      }
      const { eventId, note, fetchedAtMs: nowMs } = fetch.fetched;
      return endingRow(watch, ending, { eventId, nowMs }, note);
    });
  }

  /** Records progress of a job whose watch is held, for the subscriptions that want it. */
  recordProgress(
    watch: Watch,
    type: Extract<EventType, "job.processing" | "job.progress">,
  ): Promise<RecordOutcome> {
    const progress = type === "job.progress" ? watch.progress : null;
    return this.#inOrder(watch, () => progressRow(watch, type, progress, this.#newEvent(watch)));
  }

  async #inOrder(watch: Watch, row: () => EventRow): Promise<RecordOutcome> {
    const before = this.#lastRecord.get(watch.slot);
    const work = before === undefined ? this.#write(watch, row()) : this.#after(before, watch, row);
    this.#lastRecord.set(watch.slot, work);
    const outcome = await work;
    if (this.#lastRecord.get(watch.slot) === work) this.#lastRecord.delete(watch.slot);
    return outcome;
  }

  async #after(
    before: Promise<RecordOutcome>,
    watch: Watch,
    row: () => EventRow,
  ): Promise<RecordOutcome> {
    await before;
    return this.#write(watch, row());
  }

  async #write(watch: Watch, row: EventRow): Promise<RecordOutcome> {
    try {
      const { writers, fanOuts, endingWaits, deliveryLoop } = this.#options;
      const { recorded, owed, fanOut } = await writers.recordEvent(row);
      if (fanOut !== null) fanOuts.begin(fanOut);
      if (recorded && row.status !== "processing") {
        const { clock, metrics } = this.#runtime;
        metrics.minutes.ended(row.projectId, row.status === "completed", clock.now());
        endingWaits.ended(row.jobRowId);
      }
      if (owed.length > 0) deliveryLoop.enqueue(owed, contentOfRow(watch, row), row.resultBytes);
      return recorded ? "recorded" : "overtaken";
    } catch (error) {
      this.#runtime.log.error({ err: error, jobId: watch.jobId }, "an event could not be stored");
      return "refused";
    }
  }

  #newEvent(watch: Watch): { eventId: string; nowMs: number } {
    const nowMs = this.#runtime.clock.now();
    return { eventId: this.#runtime.uuids(nowMs, watch.shardId), nowMs };
  }
}
