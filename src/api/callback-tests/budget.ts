import type { ProjectLimits } from "../../core/project-limits.ts";
import { TokenBucket } from "../../lanes/token-bucket.ts";
import type { Clock } from "../../runtime/clock.ts";

/** Of one project, on one node: a person at work needs a few, a machine none. */
const TESTS_PER_SECOND = 1;
const TESTS_BURST = 10;

interface Budget {
  readonly bucket: TokenBucket;
  underWay: number;
}

/** How many callbacks a project may try. One that tries many takes nothing from the others. */
export class CallbackTestBudget {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #limits: ProjectLimits;
  readonly #projects = new Map<string, Budget>();

  constructor(limits: ProjectLimits, clock: Pick<Clock, "monotonic">) {
    this.#limits = limits;
    this.#clock = clock;
    limits.measuredBy("callback_tests_running", (id) => this.#projects.get(id)?.underWay ?? 0);
  }

  /** Whether one may be tried now; each that begins is to end. */
  begin(projectId: string): boolean {
    const nowMs = this.#clock.monotonic();
    const budget = this.#projects.get(projectId) ?? this.#open(projectId, nowMs);
    const { bucket } = budget;
    if (
      budget.underWay >= this.#limits.allowed(projectId, "callback_tests_running") ||
      !bucket.has(nowMs)
    )
      return false;
    bucket.take();
    budget.underWay += 1;
    return true;
  }

  end(projectId: string): void {
    const budget = this.#projects.get(projectId);
    if (budget !== undefined) budget.underWay -= 1;
  }

  #open(projectId: string, nowMs: number): Budget {
    const bucket = new TokenBucket(TESTS_PER_SECOND, TESTS_BURST, nowMs);
    const budget = { bucket, underWay: 0 };
    this.#projects.set(projectId, budget);
    return budget;
  }
}
