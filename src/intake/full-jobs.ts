import type { JobName } from "./live-jobs.ts";

/** One subscription is stored after this time, which tells how many the job has now. */
const FULL_FOR_MS = 5_000;
const JOBS_MAX = 10_000;

/** Remembers the jobs that have as many subscriptions as they may, so that no more are stored. */
export class FullJobs {
  /** Until when, on the monotonic clock; the oldest first. */
  readonly #until = new Map<JobName, number>();

  has(name: JobName, nowMs: number): boolean {
    if (this.#until.size === 0) return false;
    const until = this.#until.get(name);
    if (until === undefined) return false;
    if (until > nowMs) return true;
    this.#until.delete(name);
    return false;
  }

  add(name: JobName, nowMs: number): void {
    for (const oldest of this.#until.keys()) {
      if (this.#until.size < JOBS_MAX) break;
      this.#until.delete(oldest);
    }
    this.#until.delete(name);
    this.#until.set(name, nowMs + FULL_FOR_MS);
  }
}
