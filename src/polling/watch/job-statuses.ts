import type { Clock } from "../../runtime/clock.ts";
import type { WatchList } from "./list.ts";
import type { ObservedAnswer, ObservedAnswers } from "./observed-answers.ts";
import type { LiveJob } from "../../store/jobs/load-jobs.ts";

/** How long the first poll since somebody asked is awaited. */
export const FIRST_ANSWER_MS = 10_000;

/** A job by its row, and who asks about it. */
export type AskedJob = Pick<LiveJob, "projectId" | "shardId" | "id">;

/** The latest answers about the jobs that this node polls. */
export class JobStatuses {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #watches: Pick<WatchList, "observe" | "pollNow">;
  readonly #observed: Pick<ObservedAnswers, "ask" | "drop" | "next">;

  constructor(
    clock: Pick<Clock, "monotonic">,
    watches: Pick<WatchList, "observe" | "pollNow">,
    observed: Pick<ObservedAnswers, "ask" | "drop" | "next">,
  ) {
    this.#clock = clock;
    this.#watches = watches;
    this.#observed = observed;
  }

  /** `awaited` when it comes with the next poll; null when none comes or it is too large to be kept. */
  latest({ projectId, shardId, id }: AskedJob): ObservedAnswer | "awaited" | null {
    const watched = this.#watches.observe(shardId, id);
    // Others may have polled it in the time in which this node did not.
    if (watched === "from_now") this.#observed.drop(id);
    const known = this.#observed.ask({ projectId, jobRowId: id }, watched !== "not_here");
    if (known === "unavailable") return null;
    if (known !== "first") return known;
    this.#watches.pollNow(shardId, id);
    return "awaited";
  }

  /** The answer of the next poll; null when none comes in time. */
  async first(job: AskedJob, signal: AbortSignal): Promise<ObservedAnswer | null> {
    await this.#observed.next(job.id, FIRST_ANSWER_MS, signal);
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
      await this.#observed.next(job.id, leftMs, signal);
      const known = this.latest(job);
      if (known === "awaited") return "lost";
      if (known === null) return this.#isHere(job) ? answer : "lost";
      answer = known;
    }
  }

  #isHere({ shardId, id }: AskedJob): boolean {
    return this.#watches.observe(shardId, id) !== "not_here";
  }
}
