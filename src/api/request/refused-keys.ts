import { TokenBucket } from "../../lanes/token-bucket.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Service } from "../../runtime/runtime.ts";
import { addressGroup } from "./client-address.ts";
import type { MessageLog } from "../../runtime/process/log.ts";

/** A client with a stale key may fail for a while; one that guesses fails much faster. */
const REFUSALS_BURST = 300;
const REFUSALS_PER_SECOND = 5;
const ADDRESSES_MAX = 10_000;
const REPORT_EVERY_MS = 60_000;
/** Addresses that are logged by name each minute; the others are counted. */
const NAMED_MAX = 20;

interface Refusals {
  readonly bucket: TokenBucket;
  unreported: number;
}

/**
 * Counts requests without a valid API key by the address that sent them, and limits them: beyond the limit an
 * address gets 429. An IPv6 /64 counts as one address. Keys are checked first, so that valid keys
 * never meet this limit. Logs totals, at most once a minute for each address.
 */
export class RefusedKeys implements Service {
  readonly #clock: Clock;
  readonly #log: Pick<MessageLog, "warn">;
  readonly #addresses = new Map<string, Refusals>();
  #unreportedOfForgotten = 0;
  #timer: Timer | null = null;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Pick<MessageLog, "warn"> }) {
    this.#clock = clock;
    this.#log = log;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  /** Reports refusals that were not reported yet. */
  stop(): Promise<void> {
    this.#timer?.cancel();
    if (this.#timer !== null) this.#report();
    return Promise.resolve();
  }

  /** True when the address has sent so many requests without a valid key that it must wait. */
  isLimited(address: string): boolean {
    const refusals = this.#addresses.get(addressGroup(address));
    return refusals !== undefined && !refusals.bucket.has(this.#clock.monotonic());
  }

  /**
   * Counts a request without a valid key.
   * @returns after how many milliseconds the address may send another one; 0 while it is within the
   *   limit
   */
  refuse(address: string): number {
    const nowMs = this.#clock.monotonic();
    const { bucket } = this.#note(addressGroup(address), nowMs);
    if (!bucket.has(nowMs)) return bucket.nextTokenAtMs(nowMs) - nowMs;
    bucket.take();
    return 0;
  }

  #note(group: string, nowMs: number): Refusals {
    const refusals = this.#addresses.get(group) ?? this.#open(group, nowMs);
    refusals.unreported += 1;
    this.#timer ??= this.#clock.setTimer(REPORT_EVERY_MS, () => this.#report());
    return refusals;
  }

  #open(group: string, nowMs: number): Refusals {
    for (const [oldest, { unreported }] of this.#addresses) {
      if (this.#addresses.size < ADDRESSES_MAX) break;
      this.#unreportedOfForgotten += unreported;
      this.#addresses.delete(oldest);
    }
    const bucket = new TokenBucket(REFUSALS_PER_SECOND, REFUSALS_BURST, nowMs);
    const refusals = { bucket, unreported: 0 };
    this.#addresses.set(group, refusals);
    return refusals;
  }

  #report(): void {
    this.#timer = null;
    const refused = [...this.#addresses]
      .filter(([, { unreported }]) => unreported > 0)
      .map(([address, { unreported: count }]) => ({ address, count }))
      .toSorted((a, b) => b.count - a.count);
    for (const { address, count } of refused.slice(0, NAMED_MAX)) {
      this.#log.warn({ address, count }, "requests without a valid API key were refused");
    }
    const others = refused.slice(NAMED_MAX);
    const count = others.reduce((sum, of) => sum + of.count, this.#unreportedOfForgotten);
    if (count > 0)
      this.#log.warn({ count }, "requests of other addresses without a valid API key were refused");
    this.#unreportedOfForgotten = 0;
    // An address that was quiet for a minute has its whole burst again.
    for (const [address, refusals] of this.#addresses) {
      if (refusals.unreported === 0) this.#addresses.delete(address);
      refusals.unreported = 0;
    }
  }
}
