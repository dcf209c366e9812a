import type { ProjectLimits } from "../../core/project-limits.ts";
import { FairSemaphore } from "../../lanes/fair-semaphore.ts";
import type { Clock } from "../../runtime/clock.ts";
import { limitRefusal } from "../http/limit-refusal.ts";
import type { Refusal } from "../http/problem.ts";
import type { Reply } from "../http/route.ts";

/** How long a request waits for its turn to wait: most of those that have one are over within a minute. */
const TURN_MS_MAX = 2_000;
const TURNS_AWAITED_PER_PROJECT_MAX = 1_000;

/** Bounds the requests that wait for something to happen, in all and for each project. */
export class WaitingRequests {
  readonly #limits: ProjectLimits;
  readonly #clock: Clock;
  readonly #semaphore: FairSemaphore;

  /** @param requestsMax of all projects */
  constructor(limits: ProjectLimits, clock: Clock, requestsMax: number) {
    this.#limits = limits;
    this.#clock = clock;
    this.#semaphore = new FairSemaphore({
      permitsMax: requestsMax,
      permitsPerProjectMax: (projectId) => limits.allowed(projectId, "requests_waiting"),
      waitingPerProjectMax: TURNS_AWAITED_PER_PROJECT_MAX,
    });
    limits.measuredBy("requests_waiting", (projectId) => this.#semaphore.heldBy(projectId));
  }

  /** Answers what `wait` does; refuses when too many wait already. */
  async during(projectId: string, signal: AbortSignal, wait: () => Promise<Reply>): Promise<Reply> {
    const refusal = await this.enter(projectId, signal);
    if (refusal !== null) return refusal;
    try {
      return await wait();
    } finally {
      this.leave(projectId);
    }
  }

  /** Null once the request may wait; then it has to `leave`. */
  async enter(projectId: string, signal: AbortSignal): Promise<Refusal | null> {
    if (this.#semaphore.tryAcquire(projectId)) return null;
    const patience = new AbortController();
    const timer = this.#clock.setTimer(TURN_MS_MAX, () => patience.abort());
    const either = AbortSignal.any([patience.signal, signal]);
    const acquisition = await this.#semaphore.acquire(projectId, either);
    timer.cancel();
    return acquisition === "acquired" ? null : this.#refuse(projectId);
  }

  leave(projectId: string): void {
    this.#semaphore.release(projectId);
  }

  #refuse(projectId: string): Refusal {
    return limitRefusal(this.#limits, {
      projectId,
      name: "requests_waiting",
      code: "too_many_requests",
      detail:
        "As many requests of the project wait as may, or too many of all projects; try again in a moment, " +
        "or wait for several jobs with one inbox.",
      retryAfterS: 2,
    });
  }
}
