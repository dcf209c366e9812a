import type { Clock } from "../../runtime/clock.ts";
import type { ShownAnswer } from "../../providers/trial/trial.ts";

/** Some 20 KiB each. */
const JOBS_MAX = 200;
/** Entries that were not requested for so long are removed. */
const UNASKED_MS_MAX = 5 * 60_000;

/** The upstream's answer to the latest poll that had one, for people: credentials masked, the body cut. */
export interface RawAnswer extends ShownAnswer {
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Size of the body as received. */
  readonly bodyBytes: number;
}

interface Entry {
  answer: RawAnswer | null;
  askedAtMs: number;
}

/**
 * The latest raw answers about jobs that somebody looks at. Nothing is kept for other jobs, whose polls
 * cost nothing more.
 */
export class RawAnswers {
  readonly #clock: Pick<Clock, "monotonic">;
  /** By the job's row; those that were asked about most lately at the end. */
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** The latest answer, if one came since the first request. The next ones are kept for some minutes. */
  ask(jobRowId: string): RawAnswer | null {
    const askedAtMs = this.#clock.monotonic();
    const answer = this.#entries.get(jobRowId)?.answer ?? null;
    this.#entries.delete(jobRowId);
    this.#entries.set(jobRowId, { answer, askedAtMs });
    for (const [id, entry] of this.#entries) {
      const isFull = this.#entries.size > JOBS_MAX;
      if (!isFull && askedAtMs - entry.askedAtMs <= UNASKED_MS_MAX) break;
      this.#entries.delete(id);
    }
    return answer;
  }

  /** Whether the next answer about the job is to be kept. */
  isAsked(jobRowId: string): boolean {
    const entry = this.#entries.get(jobRowId);
    return entry !== undefined && this.#clock.monotonic() - entry.askedAtMs <= UNASKED_MS_MAX;
  }

  record(jobRowId: string, answer: RawAnswer): void {
    const entry = this.#entries.get(jobRowId);
    if (entry !== undefined) entry.answer = answer;
  }
}
