import { systemClock } from "../../runtime/clock.ts";

/** Measures the event loop of this process. */
export interface LoopMeter {
  /** Milliseconds on a clock that never jumps. */
  nowMs(): number;
  /** Milliseconds that the loop has been idle since it began. */
  idleMs(): number;
}

/** The meter of the loop that this process has. */
export const PROCESS_LOOP: LoopMeter = {
  nowMs: () => systemClock.monotonic(),
  idleMs: () => performance.eventLoopUtilization().idle,
};

/** Time between two decisions while several projects are at work. */
export const DECIDED_EVERY_MS = 4;
/** Several projects count as being at work for this long after the work changed from one to another. */
const CROWDED_FOR_MS = 1_000;
/** The part of the time in which the loop should be idle, so that new work finds it free. */
const IDLE_SHARE = 1 / 3;
const BEGUN_EACH_INITIAL = 4;
const BEGUN_EACH_MAX = 32;

/**
 * Decides how many pieces of work each project may begin while several are at work: one more each time
 * while the event loop is idle for a part of the time, and half as many when it is not, down to what
 * is guaranteed. So a project with very much to do takes what the others leave of the loop, and their work
 * begins as soon as it comes. A project that is alone may take the whole loop.
 */
export class LoopCrowd {
  readonly #meter: LoopMeter;
  #latest: string | null = null;
  #crowdedUntilMs = -Infinity;
  /** Pieces that each project may begin, by the idle time of the loop alone. */
  #allowed = BEGUN_EACH_INITIAL;
  /** Time between the two latest decisions; null when it says nothing. */
  #turnMs: number | null = null;
  #decidedAtMs = -Infinity;
  #idleMs = 0;

  constructor(meter: LoopMeter) {
    this.#meter = meter;
  }

  /** By the clock of its meter. */
  nowMs(): number {
    return this.#meter.nowMs();
  }

  /** Notes that a project begins a piece of work. Costs nothing while there is only one. */
  note(projectId: string): void {
    if (projectId === this.#latest) return;
    if (this.#latest !== null) this.#crowdedUntilMs = this.#meter.nowMs() + CROWDED_FOR_MS;
    this.#latest = projectId;
  }

  /** True while several projects are at work. */
  get isCrowded(): boolean {
    if (this.#crowdedUntilMs === -Infinity) return false;
    if (this.#meter.nowMs() < this.#crowdedUntilMs) return true;
    this.#crowdedUntilMs = -Infinity;
    return false;
  }

  /**
   * Pieces of work that each project may begin until the next decision.
   * @param guaranteedPerMs as many in every millisecond, however busy the loop is. Other work, such as polls, may be
   * the reason why it is busy.
   */
  decide(guaranteedPerMs: number): number {
    this.#update();
    // A turn of a busy loop is long, so its part is larger.
    const guaranteed = Math.ceil((this.#turnMs ?? 0) * guaranteedPerMs);
    return Math.min(BEGUN_EACH_MAX, Math.max(this.#allowed, guaranteed));
  }

  #update(): void {
    const nowMs = this.#meter.nowMs();
    const elapsedMs = nowMs - this.#decidedAtMs;
    if (elapsedMs < DECIDED_EVERY_MS) return;
    const idleMs = this.#meter.idleMs();
    const isBusy = idleMs - this.#idleMs < elapsedMs * IDLE_SHARE;
    // The time before the first decision, or between two busy periods, says nothing.
    this.#turnMs = elapsedMs < CROWDED_FOR_MS ? elapsedMs : null;
    if (this.#turnMs !== null) {
      this.#allowed = isBusy
        ? Math.max(1, this.#allowed >> 1)
        : Math.min(BEGUN_EACH_MAX, this.#allowed + 1);
    }
    this.#decidedAtMs = nowMs;
    this.#idleMs = idleMs;
  }
}
