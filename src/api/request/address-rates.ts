import { TokenBucket } from "../../lanes/token-bucket.ts";
import { addressGroup } from "./client-address.ts";

const ADDRESSES_MAX = 10_000;

/** How often each address may do something. An IPv6 /64 counts as one address. */
export class AddressRates {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor({ perSecond, burst }: { readonly perSecond: number; readonly burst: number }) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /** @returns after how many milliseconds the address may do it again; 0 if it may now, which is counted */
  take(address: string, nowMs: number): number {
    const bucket = this.#bucketOf(addressGroup(address), nowMs);
    if (!bucket.has(nowMs)) return bucket.nextTokenAtMs(nowMs) - nowMs;
    bucket.take();
    return 0;
  }

  /** The addresses that were quiet longest are forgotten first. */
  #bucketOf(group: string, nowMs: number): TokenBucket {
    const known = this.#buckets.get(group);
    this.#buckets.delete(group);
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size < ADDRESSES_MAX) break;
      this.#buckets.delete(oldest);
    }
    const bucket = known ?? new TokenBucket(this.#perSecond, this.#burst, nowMs);
    this.#buckets.set(group, bucket);
    return bucket;
  }
}
