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
    this.#burst = Math.max(1, burst);
    this.#tokens = this.#burst;
    this.#updatedMs = nowMs;
  }

  /** Takes one token if there is one. */
  take(nowMs: number): boolean {
    if (this.#perSecond === null) return true;
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
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
    this.#burst = Math.max(1, burst);
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  #refill(nowMs: number): void {
    // A clock set back must not take tokens away.
    const elapsedMs = Math.max(0, nowMs - this.#updatedMs);
    this.#updatedMs = nowMs;
    this.#tokens = Math.min(
      this.#burst,
      this.#tokens + (elapsedMs / 1000) * (this.#perSecond ?? 0),
    );
  }
}
