import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import {
  claimConsumer,
  type ConsumerName,
  releaseConsumer,
} from "../../store/inboxes/consumers.ts";
import { QueueFullError } from "../../store/writes/group-commit.ts";

/** Claims that could not be given back. Beyond this, only consumers among them can be claimed. */
export const UNRELEASED_MAX = 10_000;
const RETRIES_PER_ROUND_MAX = 100;

/** Gives back a claim. Never rejects. */
export type Release = () => Promise<void>;

/**
 * Lets one request at a time read for a consumer, over all nodes. A claim is a row that names its
 * node, and ends with the node's lease; this node's own are in memory, so one that could not be given
 * back, since the database was away, holds up no later reader here.
 */
export class ConsumerClaims {
  readonly #runtime: Pick<Runtime, "clock" | "log" | "uuids">;
  readonly #database: Database;
  readonly nodeId: string;
  /** Called when claims wait to be given back. */
  onUnreleased: () => void = () => {};
  readonly #held = new Set<string>();
  /** Claims that could not be given back, the last of each consumer. */
  readonly #unreleased = new Map<
    string,
    { readonly of: ConsumerName; readonly readerId: string }
  >();

  constructor(
    runtime: Pick<Runtime, "clock" | "log" | "uuids">,
    database: Database,
    nodeId: string,
  ) {
    this.#runtime = runtime;
    this.#database = database;
    this.nodeId = nodeId;
  }

  /** Whether a request at this node reads for the consumer. */
  isHeld(of: ConsumerName): boolean {
    return this.#held.has(keyOf(of));
  }

  /** How many claims wait to be given back. */
  get unreleasedCount(): number {
    return this.#unreleased.size;
  }

  /**
   * Null when another request reads for the consumer.
   * @throws {QueueFullError} when too many claims wait to be given back
   */
  async claim(database: Database, of: ConsumerName): Promise<Release | null> {
    const key = keyOf(of);
    if (this.#held.has(key)) return null;
    if (this.#unreleased.size >= UNRELEASED_MAX && !this.#unreleased.has(key)) {
      throw new QueueFullError("too many claims of consumers wait to be given back");
    }
    this.#held.add(key);
    const { clock, uuids } = this.#runtime;
    const nowMs = clock.now();
    const readerId = uuids(nowMs, 0);
    try {
      const by = { newId: uuids(nowMs, 0), readerId, nodeId: this.nodeId, nowMs };
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

  /**
   * Gives back some of what could not be given back before, until one fails, which is the last the
   * next time.
   */
  async retry(): Promise<void> {
    for (const [key, unreleased] of [...this.#unreleased].slice(0, RETRIES_PER_ROUND_MAX)) {
      const { of, readerId } = unreleased;
      const isLatest = (): boolean => this.#unreleased.get(key) === unreleased;
      try {
        await releaseConsumer(this.#database, of, { readerId, nodeId: this.nodeId });
        if (isLatest()) this.#unreleased.delete(key);
      } catch (error) {
        if (isLatest()) {
          this.#unreleased.delete(key);
          this.#unreleased.set(key, unreleased);
        }
        throw error;
      }
    }
    if (this.#unreleased.size > 0) this.onUnreleased();
  }

  #keepUnreleased(of: ConsumerName, readerId: string): void {
    this.#unreleased.set(keyOf(of), { of, readerId });
    this.onUnreleased();
  }

  async #release(of: ConsumerName, readerId: string): Promise<void> {
    const key = keyOf(of);
    try {
      await releaseConsumer(this.#database, of, { readerId, nodeId: this.nodeId });
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
