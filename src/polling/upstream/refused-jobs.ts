/** A job is refused for its own sake after so many refusals in a row, others answered between any two. */
const REFUSALS_OF_ITS_OWN_MIN = 3;
/** For one connection; the latest refusals are kept. */
const REFUSED_JOBS_MAX = 1_000;

interface Refusals {
  readonly count: number;
  /** How many answers other jobs had got by the last one. */
  readonly answers: number;
}

/**
 * Tells a job that is refused with 429 whatever the rate, by a quota of its own or a broken rule of a
 * proxy, from a connection that is. Each refusal of the latter kind slows down all of its jobs.
 */
export class RefusedJobs {
  readonly #refusals = new Map<string, Refusals>();
  #answers = 0;

  /** A job got an answer that is none. */
  answered(job: { readonly id: string }): void {
    this.#answers += 1;
    // To write down an id costs more than the rest.
    if (this.#refusals.size > 0) this.#refusals.delete(job.id);
  }

  /** A job was refused. Returns whether for its own sake. */
  refused(id: string): boolean {
    const before = this.#refusals.get(id);
    const isNews = before === undefined || this.#answers > before.answers;
    const count = (before?.count ?? 0) + (isNews ? 1 : 0);
    // The newest are last.
    this.#refusals.delete(id);
    this.#refusals.set(id, { count, answers: this.#answers });
    if (this.#refusals.size > REFUSED_JOBS_MAX) {
      const [oldest = ""] = this.#refusals.keys();
      this.#refusals.delete(oldest);
    }
    return count >= REFUSALS_OF_ITS_OWN_MIN;
  }
}
