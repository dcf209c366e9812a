import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { TokenBucket } from "../../lanes/token-bucket.ts";
import type { Clock } from "../../runtime/clock.ts";

/** For one project on one node. Meant for manual use. */
const TESTS_PER_SECOND = 1;
const TESTS_BURST = 10;

interface Budget {
  readonly bucket: TokenBucket;
  running: number;
}

/**
 * Limits how many callbacks a project may test. A project that tests many takes nothing from the
 * others.
 */
export class CallbackTestBudget {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #limits: ProjectLimits;
  readonly #projects = new Map<string, Budget>();

  constructor(limits: ProjectLimits, clock: Pick<Clock, "monotonic">) {
    this.#limits = limits;
    this.#clock = clock;
    limits.measuredBy("callback_tests_running", (id) => this.#projects.get(id)?.running ?? 0);
  }

  /** True when a test may start now; each one that starts must end. */
  begin(projectId: string): boolean {
    const nowMs = this.#clock.monotonic();
    const budget = this.#projects.get(projectId) ?? this.#open(projectId, nowMs);
    const { bucket } = budget;
    if (
      budget.running >= this.#limits.allowed(projectId, "callback_tests_running") ||
      !bucket.has(nowMs)
    )
      return false;
    bucket.take();
    budget.running += 1;
    return true;
  }

  end(projectId: string): void {
    const budget = this.#projects.get(projectId);
    if (budget !== undefined) budget.running -= 1;
  }

  #open(projectId: string, nowMs: number): Budget {
    const bucket = new TokenBucket(TESTS_PER_SECOND, TESTS_BURST, nowMs);
    const budget = { bucket, running: 0 };
    this.#projects.set(projectId, budget);
    return budget;
  }
}
