import type { Clock } from "../../runtime/clock.ts";
import type { WatchList } from "./list.ts";
import type { ObservedAnswer, ObservedAnswers } from "./observed-answers.ts";
import type { LiveJob } from "../../store/jobs/load-jobs.ts";

/** How long the first poll since somebody asked is awaited. */
export const FIRST_ANSWER_MS = 10_000;

/** A job by its row, and who asks about it. */
export type AskedJob = Pick<LiveJob, "projectId" | "shardId" | "id">;

interface JobStatusesOptions {
  readonly watches: Pick<WatchList, "observe" | "pollNow">;
  readonly observed: Pick<ObservedAnswers, "ask" | "drop" | "next">;
}

/** The latest answers about the jobs that this node polls. */
export class JobStatuses {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #options: JobStatusesOptions;

  constructor(clock: Pick<Clock, "monotonic">, options: JobStatusesOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** `awaited` when it comes with the next poll; null when none comes or it is too large to be kept. */
  latest({ projectId, shardId, id }: AskedJob): ObservedAnswer | "awaited" | null {
    const { watches, observed } = this.#options;
    const watched = watches.observe(shardId, id);
    // Others may have polled it in the time in which this node did not.
    if (watched === "from_now") observed.drop(id);
    const known = observed.ask({ projectId, jobRowId: id }, watched !== "not_here");
    if (known === "unavailable") return null;
    if (known !== "first") return known;
    watches.pollNow(shardId, id);
    return "awaited";
  }

  /** The answer of the next poll; null when none comes in time. */
  async first(job: AskedJob, signal: AbortSignal): Promise<ObservedAnswer | null> {
    await this.#options.observed.next(job.id, FIRST_ANSWER_MS, signal);
    const known = this.latest(job);
    return known === "awaited" ? null : known;
  }

  /**
   * The first answer that tells another state than `from`, or the latest when the time is over; `lost`
   * when this node does not poll the job any more, or has just begun to.
   */
  async moved(
    job: AskedJob,
    from: ObservedAnswer,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<ObservedAnswer | "lost"> {
    const untilMs = this.#clock.monotonic() + waitMs;
    let answer = from;
    for (;;) {
      const leftMs = untilMs - this.#clock.monotonic();
      if (answer.isEnding || answer.state !== from.state || leftMs <= 0 || signal.aborted) {
        return answer;
      }
      await this.#options.observed.next(job.id, leftMs, signal);
      const known = this.latest(job);
      if (known === "awaited") return "lost";
      if (known === null) return this.#isHere(job) ? answer : "lost";
      answer = known;
    }
  }

  #isHere({ shardId, id }: AskedJob): boolean {
    return this.#options.watches.observe(shardId, id) !== "not_here";
  }
}
