import type { WorkShare } from "../origin-gate.ts";

/**
 * Milliseconds of each second that reading responses may take from the event loop, for all projects
 * together.
 */
const TOTAL_MS = 800;
/** A project may take this many times what it leaves free. */
const SHARE_FACTOR = 2;
/** Guaranteed to every project, whatever the others have used. */
const GUARANTEED_MS = 50;
/** The expected time per response before any was read. */
const EXPECTED_MS_INITIAL = 0.25;
/** Period over which the time is averaged. */
const WINDOW_MS = 1000;
/** How often the used time is computed again. */
const DECAY_EVERY_MS = 5;
const WAIT_MS_MIN = 20;
const WAIT_MS_MAX = 1000;
/** Weight of the latest response in the expected time of the next. */
const NEWEST_PART = 0.2;

/**
 * Shares among projects the event-loop time that reading responses takes. Reading a response delays
 * the polls of all others, so a project with expensive responses is polled more slowly: it may take
 * a part of each second, at most twice what it leaves free. Projects with cheap responses are not
 * affected.
 */
export class ReadingTime {
  readonly #allowedMs: (projectId: string) => number;
  readonly #byProject = new Map<string, ReadingShare>();
  #usedMs = 0;
  #decayedAtMs = 0;

  /** @param allowedMs a project's limit in each second */
  constructor(allowedMs: (projectId: string) => number) {
    this.#allowedMs = allowedMs;
  }

  of(projectId: string): ReadingShare {
    const known = this.#byProject.get(projectId);
    if (known !== undefined) return known;
    const share = new ReadingShare(this, () => this.#allowedMs(projectId));
    this.#byProject.set(projectId, share);
    return share;
  }

  /** Milliseconds of the last second, of all projects. */
  usedMs(nowMs: number): number {
    const elapsedMs = nowMs - this.#decayedAtMs;
    if (elapsedMs >= DECAY_EVERY_MS) {
      this.#usedMs *= Math.exp(-elapsedMs / WINDOW_MS);
      this.#decayedAtMs = nowMs;
    }
    return this.#usedMs;
  }

  add(ms: number): void {
    this.#usedMs += ms;
  }
}

/** A project's allowance and use of it. */
export class ReadingShare implements WorkShare {
  readonly #whole: ReadingTime;
  readonly #allowedMs: () => number;
  #usedMs = 0;
  #decayedAtMs = 0;
  #expectedMs = EXPECTED_MS_INITIAL;
  #inFlight = 0;

  constructor(whole: ReadingTime, allowedMs: () => number) {
    this.#whole = whole;
    this.#allowedMs = allowedMs;
  }

  /** True when one more poll may start, given the expected time of those in progress. */
  mayBegin(nowMs: number): boolean {
    return this.#used(nowMs) + this.#pendingMs <= this.#mostMs(this.#whole.usedMs(nowMs));
  }

  begin(): void {
    this.#inFlight += 1;
  }

  end(): void {
    this.#inFlight -= 1;
  }

  /** Records the time of a response that was read. */
  charge(ms: number, nowMs: number): void {
    this.#whole.usedMs(nowMs);
    this.#whole.add(ms);
    this.#usedMs = this.#used(nowMs) + ms;
    this.#expectedMs += NEWEST_PART * (ms - this.#expectedMs);
  }

  /** When one more may start, if those in progress take no longer than expected. */
  nextAtMs(nowMs: number): number {
    const used = this.#used(nowMs);
    const total = this.#whole.usedMs(nowMs);
    const pending = this.#pendingMs;
    const left = Math.min(
      (this.#allowedMs() - pending) / used,
      Math.max(
        (GUARANTEED_MS - pending) / used,
        (SHARE_FACTOR * TOTAL_MS - pending) / (used + SHARE_FACTOR * total),
      ),
    );
    const waitMs = left <= 0 ? WAIT_MS_MAX : -WINDOW_MS * Math.log(left);
    return nowMs + Math.min(WAIT_MS_MAX, Math.max(WAIT_MS_MIN, waitMs));
  }

  /** Milliseconds used in the last second. */
  usedMs(nowMs: number): number {
    return this.#used(nowMs);
  }

  get #pendingMs(): number {
    return this.#inFlight * this.#expectedMs;
  }

  #mostMs(totalMs: number): number {
    const shareMs = Math.max(GUARANTEED_MS, SHARE_FACTOR * (TOTAL_MS - totalMs));
    return Math.min(this.#allowedMs(), shareMs);
  }

  #used(nowMs: number): number {
    const elapsedMs = nowMs - this.#decayedAtMs;
    if (elapsedMs >= DECAY_EVERY_MS) {
      this.#usedMs *= Math.exp(-elapsedMs / WINDOW_MS);
      this.#decayedAtMs = nowMs;
    }
    return this.#usedMs;
  }
}
