import type { WorkShare } from "./origin-gate.ts";

/** Of each second, reading answers may take so much of the event loop, for all projects together. */
const TOTAL_MS = 800;
/** A project may take so many times what it leaves free. */
const SHARE_FACTOR = 2;
/** So much every project may take, whatever others have taken. */
const GUARANTEED_MS = 50;
/** The expected time per response before any was read. */
const EXPECTED_MS_INITIAL = 0.25;
/** Over how long the time is averaged. */
const WINDOW_MS = 1000;
/** How often the used time is computed again. */
const DECAY_EVERY_MS = 5;
const WAIT_MS_MIN = 20;
const WAIT_MS_MAX = 1000;
/** How much of the last answer goes into what the next is expected to take. */
const NEWEST_PART = 0.2;

/**
 * The time of the event loop that reading answers takes, shared by projects. What a definition does
 * with an answer keeps the polls of all others waiting, so a project whose answers take much is
 * polled more slowly: it may take a part of each second, at most twice what it leaves free. Projects
 * whose answers take little are not held back by it.
 */
export class ReadingTime {
  readonly #allowedMs: (projectId: string) => number;
  readonly #byProject = new Map<string, ReadingShare>();
  #usedMs = 0;
  #decayedAtMs = 0;

  /** @param allowedMs of each second, for a project */
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

/** A project's share of it, allowed and used. */
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

  /** Whether one more poll may begin, by what those in progress are expected to take. */
  mayBegin(nowMs: number): boolean {
    return this.#used(nowMs) + this.#pendingMs <= this.#mostMs(this.#whole.usedMs(nowMs));
  }

  begin(): void {
    this.#inFlight += 1;
  }

  end(): void {
    this.#inFlight -= 1;
  }

  /** An answer was read. */
  charge(ms: number, nowMs: number): void {
    this.#whole.usedMs(nowMs);
    this.#whole.add(ms);
    this.#usedMs = this.#used(nowMs) + ms;
    this.#expectedMs += NEWEST_PART * (ms - this.#expectedMs);
  }

  /** When one more may begin, if none in progress takes longer than expected. */
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

  /** Milliseconds of the last second. */
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
