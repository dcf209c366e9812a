import {
  afterRefusal,
  afterUse,
  type LearnedRate,
  perSecondOf,
  UNREFUSED,
} from "../core/pace/learned-rate.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface RateLimits {
  /** null for no limit except the one that refusals teach. */
  readonly requestsPerSecond: number | null;
  readonly burst: number;
}

/** A rate that grows does so in steps. */
const STEP_MS = 100;
/** A longer sleep does not let it grow by more. */
const STEP_MS_MAX = 60_000;
const OWN_PAUSE_MS_MAX = 3_000;
/** Before the first refusal: the period over which passed requests are counted. */
const COUNT_MS = 10_000;

/**
 * The rate of a lane: the configured one, or a lower one that the upstream's refusals have taught.
 * This node uses only its share of it, since other nodes have the rest of the jobs.
 */
export class RateLimit {
  readonly #bucket: TokenBucket;
  #limits: RateLimits;
  #share = 1;
  #learned: LearnedRate = UNREFUSED;
  #isUsedUp = false;
  #steppedAtMs: number;
  #stepAtMs: number;
  #refusedAtMs = 0;
  #passed = 0;
  #countedFromMs: number;

  constructor(limits: RateLimits, nowMs: number) {
    this.#limits = limits;
    this.#bucket = new TokenBucket(limits.requestsPerSecond, limits.burst, nowMs);
    this.#steppedAtMs = nowMs;
    this.#stepAtMs = nowMs + COUNT_MS;
    this.#countedFromMs = nowMs;
  }

  /** The current limit of this node; null for no limit. */
  get perSecond(): number | null {
    const { perSecondOfAll } = this;
    return perSecondOfAll === null ? null : perSecondOfAll * this.#share;
  }

  /** The current limit of all nodes together, as far as this one knows; null for no limit. */
  get perSecondOfAll(): number | null {
    const perSecond = this.#whole();
    return perSecond === Infinity ? null : perSecond;
  }

  /** True when there is no limit, neither configured nor learned. */
  get isUnlimited(): boolean {
    return this.#whole() === Infinity;
  }

  /** True when one more may start now. */
  has(nowMs: number): boolean {
    if (nowMs >= this.#stepAtMs) this.#step(nowMs);
    if (this.#bucket.has(nowMs)) return true;
    this.#isUsedUp = true;
    return false;
  }

  /** Takes the request that {@link has} allowed. */
  take(): void {
    this.#bucket.take();
  }

  /** When one more may start. */
  nextAtMs(nowMs: number): number {
    return this.#bucket.nextTokenAtMs(nowMs);
  }

  /** Records that a request was let through. */
  passed(): void {
    this.#passed += 1;
  }

  /**
   * Records that a request was refused because of the rate. Until {@link resume} only probes start.
   */
  refused(nowMs: number): void {
    this.#refusedAtMs = nowMs;
    this.#stepAtMs = Infinity;
  }

  /** After a refusal: continues at a lower rate, with an empty bucket. */
  resume(nowMs: number): void {
    const pausedMs = nowMs - this.#refusedAtMs;
    const flowedMs = this.#refusedAtMs - this.#countedFromMs;
    // A short pause was Ringback's own, and more requests could have passed during it.
    const ms = flowedMs + (pausedMs < OWN_PAUSE_MS_MAX ? 0 : pausedMs);
    const passed = { requests: this.#passed / this.#share, ms };
    this.#learned = afterRefusal(this.#learned, this.#whole(), passed);
    this.#count(nowMs);
    this.#fit(nowMs);
    this.#bucket.drain(nowMs);
    this.#isUsedUp = false;
    this.#steppedAtMs = nowMs;
    this.#stepAtMs = nowMs + STEP_MS;
  }

  /** @param share this node's share of the limits */
  configure(limits: RateLimits, share: number, nowMs: number): void {
    this.#limits = limits;
    this.#share = share;
    this.#fit(nowMs);
  }

  /** The limit of the whole connection. */
  #whole(): number {
    return Math.min(this.#limits.requestsPerSecond ?? Infinity, perSecondOf(this.#learned));
  }

  #step(nowMs: number): void {
    const elapsedMs = Math.min(STEP_MS_MAX, nowMs - this.#steppedAtMs);
    this.#steppedAtMs = nowMs;
    this.#stepAtMs = nowMs + (this.#learned.kind === "unrefused" ? COUNT_MS : STEP_MS);
    if (this.#isUsedUp && this.#learned.kind !== "unrefused") {
      this.#learned = afterUse(this.#learned, elapsedMs);
      this.#fit(nowMs);
    } else {
      // A success is evidence about the limit only while nothing else limits the lane.
      this.#count(nowMs);
    }
    this.#isUsedUp = false;
  }

  #count(nowMs: number): void {
    this.#passed = 0;
    this.#countedFromMs = nowMs;
  }

  #fit(nowMs: number): void {
    this.#bucket.configure(this.perSecond, Math.floor(this.#limits.burst * this.#share), nowMs);
  }
}
