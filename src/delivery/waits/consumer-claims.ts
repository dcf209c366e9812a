import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import {
  claimConsumer,
  type ConsumerName,
  releaseConsumer,
} from "../../store/inboxes/consumers.ts";

export interface ConsumerClaimsOptions {
  readonly database: Database;
  readonly nodeId: string;
}

/** Gives back a claim. Never rejects. */
export type Release = () => Promise<void>;

/**
 * Lets one request at a time read for a consumer, over all nodes. A claim is a row that names its
 * node, and ends with the node's lease; this node's own are in memory, so one that could not be given
 * back, since the database was away, holds up no later reader here.
 */
export class ConsumerClaims {
  readonly #runtime: Pick<Runtime, "clock" | "log" | "uuids">;
  readonly #options: ConsumerClaimsOptions;
  /** Called when a claim could not be given back. */
  onUnreleased: () => void = () => {};
  readonly #held = new Set<string>();
  /** Claims that could not be given back, by consumer. */
  readonly #unreleased = new Map<
    string,
    { readonly of: ConsumerName; readonly readerId: string }
  >();

  constructor(runtime: Pick<Runtime, "clock" | "log" | "uuids">, options: ConsumerClaimsOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  get nodeId(): string {
    return this.#options.nodeId;
  }

  /** Whether a request at this node reads for the consumer. */
  isHeld(of: ConsumerName): boolean {
    return this.#held.has(keyOf(of));
  }

  /** Null when another request reads for the consumer. */
  async claim(database: Database, of: ConsumerName): Promise<Release | null> {
    const key = keyOf(of);
    if (this.#held.has(key)) return null;
    this.#held.add(key);
    const { clock, uuids } = this.#runtime;
    const { nodeId } = this.#options;
    const nowMs = clock.now();
    const readerId = uuids(nowMs, 0);
    try {
      const by = { newId: uuids(nowMs, 0), readerId, nodeId, nowMs };
      const isClaimed = await claimConsumer(database, of, by);
      if (isClaimed) {
        this.#unreleased.delete(key);
        return () => this.#release(of, readerId);
      }
    } catch (error) {
      this.#held.delete(key);
      // It may have been carried out.
      this.#keepUnreleased(of, readerId);
      throw error;
    }
    this.#held.delete(key);
    return null;
  }

  /** Gives back what could not be given back before, until one fails, which is the last the next time. */
  async retry(): Promise<void> {
    for (const [key, unreleased] of this.#unreleased) {
      try {
        await releaseConsumer(this.#options.database, unreleased.of, unreleased.readerId);
        this.#unreleased.delete(key);
      } catch (error) {
        this.#unreleased.delete(key);
        this.#unreleased.set(key, unreleased);
        throw error;
      }
    }
  }

  #keepUnreleased(of: ConsumerName, readerId: string): void {
    this.#unreleased.set(keyOf(of), { of, readerId });
    this.onUnreleased();
  }

  async #release(of: ConsumerName, readerId: string): Promise<void> {
    const key = keyOf(of);
    try {
      await releaseConsumer(this.#options.database, of, readerId);
    } catch (error) {
      this.#keepUnreleased(of, readerId);
      this.#runtime.log.warn({ err: error }, "a consumer's claim could not be given back yet");
    } finally {
      this.#held.delete(key);
    }
  }
}

function keyOf({ projectId, name, consumer }: ConsumerName): string {
  return `${projectId}/${name}/${consumer}`;
}
