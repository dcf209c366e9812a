import FlatQueue from "flatqueue";
import {
  afterFailure,
  afterSuccess,
  afterTime,
  BREAKER_CLOSED,
  type Breaker,
  type BreakerLimits,
} from "../core/breaker.ts";
import type { LaneVerdict } from "../core/job.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { TokenBucket } from "./token-bucket.ts";

/*
 * The queue in front of one upstream connection or one callback origin. Items wait until they are
 * due; then they start in the order they fell due, as far as the lane's limits allow:
 *
 *   due? ── paused? ── breaker? ── concurrency? ── rate? ──▶ start(item) … settle(verdict)
 *
 * A sick lane holds back its own items and nobody else's. One timer a lane, for the earliest
 * moment at which something could start.
 */

export interface LaneLimits {
  /** Items under way at once. */
  readonly concurrency: number;
  /** null for no limit. */
  readonly requestsPerSecond: number | null;
  readonly burst: number;
}

export interface LaneOptions<Item> {
  readonly limits: LaneLimits;
  /** null for a lane without a breaker. */
  readonly breaker: BreakerLimits | null;
  readonly clock: Clock;
  /** Begins work on an item; whoever does the work calls `settle` exactly once. */
  readonly start: (item: Item) => void;
  /** False for an entry that was rescheduled or dropped since it was queued. */
  readonly isCurrent: (item: Item, dueAtMs: number) => boolean;
}

const RATE_LIMIT_PAUSE_MS_INITIAL = 1000;
const RATE_LIMIT_PAUSE_MS_MAX = 60_000;

export class Lane<Item> {
  readonly #options: LaneOptions<Item>;
  readonly #queue = new FlatQueue<Item>();
  readonly #bucket: TokenBucket;
  #limits: LaneLimits;
  #breaker: Breaker = BREAKER_CLOSED;
  #inFlight = 0;
  #pausedUntilMs = 0;
  #rateLimitsInRow = 0;
  #timer: Timer | null = null;
  #timerAtMs = Infinity;
  #pumping = false;
  #closed = false;

  constructor(options: LaneOptions<Item>) {
    this.#options = options;
    this.#limits = options.limits;
    this.#bucket = new TokenBucket(
      options.limits.requestsPerSecond,
      options.limits.burst,
      options.clock.now(),
    );
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Entries waiting, those that are no longer current included. */
  get queued(): number {
    return this.#queue.length;
  }

  get breakerState(): Breaker["state"] {
    return this.#breaker.state;
  }

  /** Infinity while paused until resumed by hand. */
  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  push(item: Item, dueAtMs: number): void {
    this.#queue.push(item, dueAtMs);
    if (this.#pumping || this.#closed) return;
    // The common case, an item that is not due, costs a comparison and perhaps a timer.
    if (dueAtMs <= this.#options.clock.now()) this.#pump();
    else if (dueAtMs < this.#timerAtMs && this.#inFlight < this.#limits.concurrency) this.#arm();
  }

  /** An item's work is over. */
  settle(verdict: LaneVerdict): void {
    this.#inFlight -= 1;
    this.#learn(verdict);
    this.#pump();
  }

  /** Starts nothing before `untilMs`; Infinity until {@link resume}. */
  pause(untilMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs);
    this.#pump();
  }

  /** Lifts every pause, from `atMs` on, and closes the breaker: somebody mended what was wrong. */
  resume(atMs = 0): void {
    this.#pausedUntilMs = atMs;
    this.#rateLimitsInRow = 0;
    this.#breaker = BREAKER_CLOSED;
    this.#pump();
  }

  configure(limits: LaneLimits): void {
    this.#limits = limits;
    this.#bucket.configure(limits.requestsPerSecond, limits.burst, this.#options.clock.now());
    this.#pump();
  }

  /** Starts nothing any more; what is under way still settles. */
  close(): void {
    this.#closed = true;
    this.#queue.clear();
    this.#timer?.cancel();
    this.#timer = null;
  }

  #pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    let mayStartMore = true;
    while (mayStartMore) mayStartMore = this.#startNext(this.#options.clock.now());
    this.#pumping = false;
    this.#arm();
  }

  /** Starts the item that has been due longest; false when none may start now. */
  #startNext(nowMs: number): boolean {
    const dueAtMs = this.#queue.peekValue();
    if (dueAtMs === undefined || dueAtMs > nowMs) return false;
    const item = this.#queue.peek();
    if (item === undefined) return false;
    if (!this.#options.isCurrent(item, dueAtMs)) {
      this.#queue.pop();
      return true;
    }
    if (this.#pausedUntilMs > nowMs) return false;
    this.#breaker = afterTime(this.#breaker, nowMs);
    if (this.#inFlight >= this.#concurrency() || !this.#bucket.take(nowMs)) return false;
    this.#queue.pop();
    this.#inFlight += 1;
    this.#options.start(item);
    return true;
  }

  #concurrency(): number {
    switch (this.#breaker.state) {
      case "closed":
        return this.#limits.concurrency;
      case "half_open":
        return 1;
      case "open":
        return 0;
    }
  }

  #learn(verdict: LaneVerdict): void {
    const { breaker, clock } = this.#options;
    const nowMs = clock.now();
    switch (verdict.kind) {
      case "healthy":
        this.#rateLimitsInRow = 0;
        this.#breaker = afterSuccess();
        return;
      case "faulty":
        if (breaker !== null) this.#breaker = afterFailure(this.#breaker, breaker, nowMs);
        return;
      case "rate_limited": {
        // Answers to requests sent before the pause began say nothing new.
        if (this.#pausedUntilMs > nowMs && verdict.retryAfterMs === null) return;
        this.#rateLimitsInRow += 1;
        const growingMs =
          RATE_LIMIT_PAUSE_MS_INITIAL * 2 ** Math.min(this.#rateLimitsInRow - 1, 10);
        const pauseMs = verdict.retryAfterMs ?? Math.min(RATE_LIMIT_PAUSE_MS_MAX, growingMs);
        this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + pauseMs);
      }
    }
  }

  /** Sets the timer for the earliest moment at which the head of the queue could start. */
  #arm(): void {
    const dueAtMs = this.#queue.peekValue();
    if (dueAtMs === undefined || this.#closed) return;
    if (this.#inFlight >= this.#concurrency() && this.#breaker.state !== "open") return;
    const { clock } = this.#options;
    const nowMs = clock.now();
    const openUntilMs = this.#breaker.state === "open" ? this.#breaker.untilMs : 0;
    const startAtMs = Math.max(
      dueAtMs,
      this.#pausedUntilMs,
      openUntilMs,
      this.#bucket.nextTokenAtMs(nowMs),
    );
    // An earlier timer does no harm: it looks again and re-arms.
    if (startAtMs === Infinity || startAtMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = startAtMs;
    this.#timer = clock.setTimer(startAtMs - nowMs, () => {
      this.#timer = null;
      this.#timerAtMs = Infinity;
      this.#pump();
    });
  }
}
