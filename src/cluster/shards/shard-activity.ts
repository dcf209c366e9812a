import { SHARD_COUNT } from "../../core/ids/ids.ts";
import type { Clock } from "../../runtime/clock.ts";

/** Longer than any work on a shard can take: storing a subscription, handing it over. */
const QUIET_AFTER_MS = 120_000;

/**
 * Remembers when this node last did something that may make memory and database differ: stored a
 * subscription, took a command, or had a call fail with an unknown outcome.
 */
export class ShardActivity {
  readonly #clock: Clock;
  readonly #touchedAtMs = new Float64Array(SHARD_COUNT).fill(-Infinity);

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  touch(shardId: number): void {
    this.#touchedAtMs[shardId] = this.#clock.monotonic();
  }

  touchAll(): void {
    this.#touchedAtMs.fill(this.#clock.monotonic());
  }

  /** True when the last activity was so long ago that a comparison since then has covered it. */
  isQuiet(shardId: number): boolean {
    const touchedAtMs = this.#touchedAtMs[shardId] ?? Infinity;
    return this.#clock.monotonic() - touchedAtMs > QUIET_AFTER_MS;
  }
}
