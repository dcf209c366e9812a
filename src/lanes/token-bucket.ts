/** How much a lane may catch up when a timer or the process was late. */
const CATCH_UP_S = 0.05;

/**
 * Requests per second with a burst. Tokens are computed from the time passed, so an idle bucket
 * needs no timer.
 */
export class TokenBucket {
  #perSecond: number | null;
  #burst: number;
  #tokens: number;
  #updatedMs: number;

  /** @param perSecond null for no limit */
  constructor(perSecond: number | null, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = capacity(perSecond, burst);
    this.#tokens = this.#burst;
    this.#updatedMs = nowMs;
  }

  /** Whether there is a token to take. */
  has(nowMs: number): boolean {
    if (this.#perSecond === null) return true;
    this.#refill(nowMs);
    return this.#tokens >= 1;
  }

  /** How many there were at the last look. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Takes the token that {@link has} saw. */
  take(): void {
    if (this.#perSecond !== null) this.#tokens -= 1;
  }

  /** When the next token will be there; `nowMs` if it already is. */
  nextTokenAtMs(nowMs: number): number {
    if (this.#perSecond === null) return nowMs;
    this.#refill(nowMs);
    if (this.#tokens >= 1) return nowMs;
    return nowMs + Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000);
  }

  configure(perSecond: number | null, burst: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#perSecond = perSecond;
    this.#burst = capacity(perSecond, burst);
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  /** Forgets what was saved up. */
  drain(nowMs: number): void {
    this.#tokens = 0;
    this.#updatedMs = nowMs;
  }

  #refill(nowMs: number): void {
    const elapsedMs = nowMs - this.#updatedMs;
    this.#updatedMs = nowMs;
    this.#tokens = Math.min(
      this.#burst,
      this.#tokens + (elapsedMs / 1000) * (this.#perSecond ?? 0),
    );
  }
}

function capacity(perSecond: number | null, burst: number): number {
  return Math.max(1, burst, 1 + (perSecond ?? 0) * CATCH_UP_S);
}
