import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { FairSemaphore } from "../../lanes/shares/fair-semaphore.ts";
import type { Clock } from "../../runtime/clock.ts";
import { limitRefusal } from "../http/limit-refusal.ts";
import type { Reply, Route } from "../http/route.ts";

/** A third of the connections to the database; the others are never used for lists. */
const LISTS_AT_ONCE_MAX = 4;
const WAITING_PER_PROJECT_MAX = 100;
/** Leaves part of the request's time for reading the list. */
const WAIT_MS_MAX = 3_000;

/**
 * True when the route returns a page of a list, which may read many rows for few. A route that
 * waits takes no turn while it does.
 */
export function isList({ description: { query, answeredWithinMs } }: Route): boolean {
  return query !== undefined && "cursor" in query.shape && answeredWithinMs === undefined;
}

/**
 * Limits how many list requests read the database at once, with projects in turns: a filtered list
 * may scan thousands of rows, and many of them would hold every connection.
 */
export class ListTurns {
  readonly #limits: ProjectLimits;
  readonly #clock: Clock;
  readonly #semaphore: FairSemaphore;

  constructor(limits: ProjectLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#semaphore = new FairSemaphore({
      resource: "lists",
      permitsMax: LISTS_AT_ONCE_MAX,
      permitsPerProjectMax: (projectId) => limits.allowed(projectId, "lists_running"),
      waitingPerProjectMax: WAITING_PER_PROJECT_MAX,
    });
    limits.measuredBy("lists_running", (projectId) => this.#semaphore.heldBy(projectId));
  }

  /** Responds when it is the project's turn; refuses when that takes too long. */
  async answer(projectId: string, read: () => Reply | Promise<Reply>): Promise<Reply> {
    if (!(await this.#enter(projectId))) return this.#refuse(projectId);
    try {
      return await read();
    } finally {
      this.#semaphore.release(projectId);
    }
  }

  async #enter(projectId: string): Promise<boolean> {
    if (this.#semaphore.tryAcquire(projectId)) return true;
    const patience = new AbortController();
    const timer = this.#clock.setTimer(WAIT_MS_MAX, () => patience.abort());
    const acquisition = await this.#semaphore.acquire(projectId, patience.signal);
    timer.cancel();
    return acquisition === "acquired";
  }

  #refuse(projectId: string): Reply {
    return limitRefusal(this.#limits, {
      projectId,
      name: "lists_running",
      code: "too_many_requests",
      detail:
        "The project reads too many lists at once; wait for some of them, or read them in turn.",
      retryAfterS: 2,
    });
  }
}
