import { SharedCache } from "../../lanes/shares/shared-cache.ts";
import type { HeaderValues } from "../../core/job/retry-after.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Interpretation } from "../../providers/answer/interpret.ts";
import type { UpstreamResponse } from "../../providers/language/read-body.ts";

/** Answers above this are not kept. */
export const OBSERVED_BODY_BYTES_MAX = 128 * 1024;
/** For all answers that are kept. */
const OBSERVED_BYTES_MAX = 32 * 1024 * 1024;
const OBSERVED_JOBS_MAX = 20_000;
/** Entries that were not requested for so long are removed. */
const UNASKED_MS_MAX = 5 * 60_000;
/** How long the last answer about a job that has ended is good. */
const ENDED_MS_MAX = 60_000;
/** Besides a body: headers, and the entry itself. */
const ENTRY_BYTES = 2_048;

/** The answer to a job's latest poll. */
export interface ObservedAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: HeaderValues;
  /** Without a content encoding. */
  readonly body: Buffer;
  /** By the monotonic clock. */
  readonly atMs: number;
  /** The job has ended: nothing more comes. */
  readonly isEnding: boolean;
  /** Another for each state of the job that is told apart. */
  readonly state: string;
}

/** A job that somebody asks about. */
interface Entry {
  answer: ObservedAnswer | null;
  /** The job was polled, and its answers are too large to be kept. */
  isTooLarge: boolean;
  askedAtMs: number;
  readonly waiting: Set<() => void>;
}

/**
 * The latest answers about jobs that clients poll through the gateway, from the polls that are made
 * anyway. Answers are kept only for jobs that clients ask about.
 */
export class ObservedAnswers {
  readonly #clock: Pick<Clock, "monotonic" | "setTimer">;
  /** By the job's row; those that were asked about most lately at the end. */
  readonly #entries = new Map<string, Entry>();
  /** The same by project: when there are too many, the one with the most loses its oldest. */
  readonly #byProject = new SharedCache<true>(Infinity);
  #bytes = 0;

  constructor(clock: Pick<Clock, "monotonic" | "setTimer">) {
    this.#clock = clock;
  }

  /**
   * Keeps the answers about a job from now on.
   * @param isWatched whether this node polls it, and has since the last answer that was kept
   * @returns the latest answer; `first` if this is the first request for the job, `awaited` if an answer will come
   */
  ask(
    { projectId, jobRowId }: { readonly projectId: string; readonly jobRowId: string },
    isWatched: boolean,
  ): ObservedAnswer | "first" | "awaited" | "unavailable" {
    const nowMs = this.#clock.monotonic();
    this.#forgetUnasked(nowMs);
    const known = this.#entries.get(jobRowId);
    if (known?.answer?.isEnding === true && nowMs - known.answer.atMs <= ENDED_MS_MAX) {
      return known.answer;
    }
    if (!isWatched) {
      this.#forget(jobRowId);
      return "unavailable";
    }
    const entry: Entry = known ?? {
      answer: null,
      isTooLarge: false,
      askedAtMs: nowMs,
      waiting: new Set(),
    };
    entry.askedAtMs = nowMs;
    this.#entries.delete(jobRowId);
    this.#entries.set(jobRowId, entry);
    this.#byProject.set(projectId, jobRowId, true);
    if (known === undefined) {
      this.#count(ENTRY_BYTES);
      return "first";
    }
    return entry.answer ?? (entry.isTooLarge ? "unavailable" : "awaited");
  }

  /** Whether somebody asks about a job. */
  isAsked(jobRowId: string): boolean {
    return this.#entries.has(jobRowId);
  }

  /** Forgets the answer about a job that another node may have polled since. */
  drop(jobRowId: string): void {
    const entry = this.#entries.get(jobRowId);
    if (entry !== undefined) this.#setAnswer(entry, null);
  }

  /** This node polls a job no longer: ends the waits for its polls. */
  release(jobRowId: string): void {
    if (this.#entries.get(jobRowId)?.answer?.isEnding !== true) this.#forget(jobRowId);
  }

  /**
   * A poll was made.
   * @param answer without its content encoding; null when none came that can be kept
   */
  record(jobRowId: string, answer: UpstreamResponse | null, interpretation: Interpretation): void {
    const entry = this.#entries.get(jobRowId);
    if (entry === undefined) return;
    // Unchanged since an answer that was not kept: that of the next poll is awaited.
    if (answer?.status === 304 && entry.answer === null && !entry.isTooLarge) return;
    const state = stateOf(interpretation);
    if (answer !== null && state !== null) {
      this.#keep(entry, answer, { state, isEnding: interpretation.kind !== "running" });
    }
    for (const proceed of entry.waiting) proceed();
  }

  #keep(
    entry: Entry,
    answer: UpstreamResponse,
    { state, isEnding }: Pick<ObservedAnswer, "state" | "isEnding">,
  ): void {
    const atMs = this.#clock.monotonic();
    if (answer.status === 304) {
      if (entry.answer !== null) entry.answer = { ...entry.answer, atMs };
    } else if (answer.body.length > OBSERVED_BODY_BYTES_MAX) {
      entry.isTooLarge = true;
      this.#setAnswer(entry, null);
    } else {
      entry.isTooLarge = false;
      this.#setAnswer(entry, {
        status: answer.status,
        headers: answer.headers,
        // A copy: the bytes may be a part of many more.
        body: Buffer.from(answer.body),
        atMs,
        isEnding,
        state,
      });
    }
  }

  /** Resolves with the next poll of a job that was asked about, after a time, or when `signal` aborts. */
  next(jobRowId: string, waitMs: number, signal: AbortSignal): Promise<void> {
    const entry = this.#entries.get(jobRowId);
    if (entry === undefined || waitMs <= 0 || signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(waitMs, resolve);
    entry.waiting.add(resolve);
    const leave = (): void => resolve();
    signal.addEventListener("abort", leave, { once: true });
    return promise.finally(() => {
      timer.cancel();
      // The signal may live as long as the process.
      signal.removeEventListener("abort", leave);
      entry.waiting.delete(resolve);
    });
  }

  #forgetUnasked(nowMs: number): void {
    for (const [jobRowId, { askedAtMs, waiting }] of this.#entries) {
      if (nowMs - askedAtMs <= UNASKED_MS_MAX) break;
      if (waiting.size === 0) this.#forget(jobRowId);
    }
    while (this.#entries.size > OBSERVED_JOBS_MAX || this.#bytes > OBSERVED_BYTES_MAX) {
      const loser = this.#byProject.nextToLose();
      if (loser === null) return;
      // Requests that wait for it ask the upstream themselves.
      this.#forget(loser);
    }
  }

  #forget(jobRowId: string): void {
    const entry = this.#entries.get(jobRowId);
    if (entry === undefined) return;
    this.#setAnswer(entry, null);
    this.#entries.delete(jobRowId);
    this.#byProject.delete(jobRowId);
    this.#count(-ENTRY_BYTES);
    for (const proceed of entry.waiting) proceed();
  }

  #setAnswer(entry: Entry, answer: ObservedAnswer | null): void {
    this.#count((answer?.body.length ?? 0) - (entry.answer?.body.length ?? 0));
    entry.answer = answer;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
  }
}

/** Null for an answer that says nothing of the job. */
function stateOf(of: Interpretation): string | null {
  switch (of.kind) {
    case "running":
      return JSON.stringify([of.phase, of.progress, of.unknownStatus]);
    case "result_wanted":
    case "completed":
    case "failed":
    case "canceled":
    case "expired":
      return of.kind;
    case "absent":
    case "retry":
    case "credential_rejected":
      return null;
  }
}
