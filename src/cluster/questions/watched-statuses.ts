import type { CommandRouter } from "../../intake/command-router.ts";
import type { Poller } from "../../polling/poller.ts";
import { type AskedJob, JobStatuses } from "../../polling/watch/job-statuses.ts";
import type { ObservedAnswer } from "../../polling/watch/observed-answers.ts";
import type { OwnedShards } from "../../runtime/owned-shards.ts";
import { type Clock, pause } from "../../runtime/clock.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import { isJobLive } from "../../store/jobs/find-job.ts";
import { RemoteStatuses } from "./remote-statuses.ts";

/** How soon a job that changes hands is looked for again. */
const LOST_PAUSE_MS = 1_000;

interface WatchedStatusesOptions {
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "has">;
  readonly hasNeighbors: () => boolean;
  readonly poller: Pick<Poller, "watches" | "observed">;
  readonly commands: Pick<CommandRouter, "send">;
}

/** The latest answers about watched jobs, whichever node polls them. */
export class WatchedStatuses {
  readonly #clock: Clock;
  readonly #options: WatchedStatusesOptions;
  readonly #local: JobStatuses;
  readonly #remote: RemoteStatuses;
  readonly #stopping = new AbortController();

  constructor(runtime: Runtime, options: WatchedStatusesOptions) {
    const { watches, observed } = options.poller;
    this.#clock = runtime.clock;
    this.#options = options;
    this.#local = new JobStatuses(runtime.clock, watches, observed);
    this.#remote = new RemoteStatuses(runtime, { ...options, watches, local: this.#local });
  }

  /** `awaited` when it will be known soon; null when it won't. */
  latest(job: AskedJob): ObservedAnswer | "awaited" | null {
    return this.#sourceOf(job).latest(job);
  }

  /** The answer that is awaited, or null. */
  first(job: AskedJob, signal: AbortSignal): Promise<ObservedAnswer | null> {
    return this.#sourceOf(job).first(job, this.#untilStop(signal));
  }

  /**
   * The first answer that tells another state than `from`, or the latest when the time is over. Waits on
   * while the job changes hands; null when it ended at a node that did not know that anybody asks.
   */
  async moved(
    job: AskedJob,
    from: ObservedAnswer,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<ObservedAnswer | null> {
    const untilMs = this.#clock.monotonic() + waitMs;
    const either = this.#untilStop(signal);
    let answer = from;
    for (;;) {
      const leftMs = untilMs - this.#clock.monotonic();
      if (answer.isEnding || answer.state !== from.state || leftMs <= 0 || either.aborted) {
        return answer;
      }
      const moved = await this.#sourceOf(job).moved(job, answer, leftMs, either);
      if (moved !== "lost") return moved;
      await pause(this.#clock, Math.min(leftMs, LOST_PAUSE_MS));
      const known = this.latest(job);
      if (known !== null && known !== "awaited") answer = known;
      else if (await this.#hasEnded(job)) return null;
    }
  }

  /** Answers the questions of other nodes. */
  answer(keys: readonly { readonly id: string }[]): Promise<void> {
    return this.#remote.answer(keys);
  }

  /** Ends the waits, those of other nodes too, and keeps none from now on. */
  beginStopping(): void {
    this.#stopping.abort();
    this.#remote.beginStopping();
  }

  /** False while the database can't say. */
  #hasEnded(job: AskedJob): Promise<boolean> {
    return isJobLive(this.#options.database, job).then(
      (isLive) => !isLive,
      () => false,
    );
  }

  #untilStop(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#stopping.signal]);
  }

  #sourceOf({ shardId }: AskedJob): Pick<RemoteStatuses, "latest" | "first" | "moved"> {
    const { shards, hasNeighbors } = this.#options;
    return shards.has(shardId) || !hasNeighbors() ? this.#local : this.#remote;
  }
}
