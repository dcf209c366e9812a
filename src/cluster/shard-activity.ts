import { SHARD_COUNT } from "../core/ids/shard.ts";
import type { Clock } from "../runtime/clock.ts";

/** Longer than whatever was begun for a shard can go on: storing a subscription, handing it over. */
const QUIET_AFTER_MS = 120_000;

/**
 * When something was last done here that may have left memory and database different: a subscription
 * was stored, a note was taken, or a call failed whose outcome is not known.
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

  /** Whether nothing has happened for so long that a comparison since then has seen all of it. */
  isQuiet(shardId: number): boolean {
    const touchedAtMs = this.#touchedAtMs[shardId] ?? Infinity;
    return this.#clock.monotonic() - touchedAtMs > QUIET_AFTER_MS;
  }
}
