import { SharedCache } from "../../lanes/shares/shared-cache.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { ShownAnswer } from "../../providers/trial/trial.ts";

/** For all projects together; an answer has some 20 KiB. */
const JOBS_MAX = 200;
/** Answers are kept for so long after the last request for them. */
const UNASKED_MS_MAX = 5 * 60_000;

/** The upstream's answer to the latest poll that had one, for people: credentials masked, the body cut. */
export interface RawAnswer extends ShownAnswer {
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Size of the body as received. */
  readonly bodyBytes: number;
}

interface Entry {
  readonly projectId: string;
  answer: RawAnswer | null;
  askedAtMs: number;
}

/**
 * The latest raw answers about jobs that somebody looks at. Nothing is kept for other jobs, whose polls
 * cost nothing more. When there are too many, the project with the most loses its oldest.
 */
export class RawAnswers {
  readonly #clock: Pick<Clock, "monotonic">;
  /** By the job's row. */
  readonly #entries = new SharedCache<Entry>(JOBS_MAX);

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /**
   * The latest answer, if one came since the first request. The next ones are kept for some minutes.
   * @param projectId null when this node does not watch the job: no more answers come here
   */
  ask(jobRowId: string, projectId: string | null): RawAnswer | null {
    const known = this.#entries.get(jobRowId);
    const group = projectId ?? known?.projectId;
    if (group === undefined) return null;
    const answer = known?.answer ?? null;
    const askedAtMs = this.#clock.monotonic();
    this.#entries.set(group, jobRowId, { projectId: group, answer, askedAtMs });
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
