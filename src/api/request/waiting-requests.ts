import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { FairSemaphore } from "../../lanes/shares/fair-semaphore.ts";
import type { Clock } from "../../runtime/clock.ts";
import { limitRefusal } from "../http/limit-refusal.ts";
import type { Refusal } from "../../core/problem.ts";

/** How long a request queues before it may wait: most waits end within a minute. */
const TURN_MS_MAX = 2_000;
const TURNS_AWAITED_PER_PROJECT_MAX = 1_000;

/** Bounds the requests that wait for an event, in total and for each project. */
export class WaitingRequests {
  readonly #limits: ProjectLimits;
  readonly #clock: Clock;
  readonly #semaphore: FairSemaphore;

  /** @param requestsMax for all projects */
  constructor(limits: ProjectLimits, clock: Clock, requestsMax: number) {
    this.#limits = limits;
    this.#clock = clock;
    this.#semaphore = new FairSemaphore({
      resource: "requests_waiting",
      permitsMax: requestsMax,
      permitsPerProjectMax: (projectId) => limits.allowed(projectId, "requests_waiting"),
      waitingPerProjectMax: TURNS_AWAITED_PER_PROJECT_MAX,
    });
    limits.measuredBy("requests_waiting", (projectId) => this.#semaphore.heldBy(projectId));
  }

  /** Responds with the result of `wait`; refuses when too many wait already. */
  async during<T>(
    projectId: string,
    signal: AbortSignal,
    wait: () => Promise<T>,
  ): Promise<T | Refusal> {
    const refusal = await this.enter(projectId, signal);
    if (refusal !== null) return refusal;
    try {
      return await wait();
    } finally {
      this.leave(projectId);
    }
  }

  /** Null once the request may wait; then it must `leave`. */
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
        "Too many requests of the project, or of all projects, are waiting; try again in a " +
        "moment, or wait for several jobs with one inbox.",
      retryAfterS: 2,
    });
  }
}
