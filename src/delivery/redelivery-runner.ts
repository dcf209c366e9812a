import type { ChangeSignal } from "../runtime/change-signal.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import { publicId } from "../core/ids/ids.ts";
import {
  redeliveryBatch,
  redeliveryDueTimes,
  redeliveryStepMs,
} from "../core/delivery/redelivery-pace.ts";
import { fromMonotonic, settledWithin, toMonotonic } from "../runtime/clock.ts";
import { Pauses } from "../runtime/stopping.ts";
import { Repeater } from "../runtime/repeater.ts";
import {
  advanceRedelivery,
  lookForDeliveries,
  type MatchingDelivery,
} from "../store/deliveries/advance-redelivery.ts";
import type { PooledDatabase } from "../store/db/database.ts";
import {
  findRedelivery,
  findRunningRedeliveries,
  type RedeliveryRecord,
} from "../store/deliveries/redeliveries.ts";
import type { Runtime } from "../runtime/runtime.ts";

const SEARCH_INTERVAL_MS = 1_000;
/** Deliveries that a dry run counts at once: it changes nothing, and nothing waits for it. */
const COUNTED_AT_ONCE_MAX = 5_000;

interface RedeliveryRunnerOptions {
  /** Tells when there may be redeliveries. */
  readonly changes?: ChangeSignal | undefined;
  readonly database: Pick<PooledDatabase, "run" | "transaction" | "within">;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  /** How many deliveries a second unless the request says otherwise. */
  readonly perSecondDefault: number;
  /** Sends the deliveries that are pending again; lost ones are found by their due time. */
  redelivered(deliveries: readonly MatchingDelivery[]): Promise<void>;
}

interface Step {
  /** Its current state. */
  readonly redelivery: RedeliveryRecord;
  readonly taken: number;
  /** When the next one after those taken is due. */
  readonly dueFromMs: number;
}

/**
 * Carries out redeliveries of many deliveries. Each belongs to the owner of its id's shard, and continues
 * from its stored position, also after another node. One round:
 *
 *   find from the position ─▶ make pending and advance ─▶ hand on ─▶ wait for the pace
 */
export class RedeliveryRunner extends Repeater {
  readonly #runtime: Runtime;
  readonly #options: RedeliveryRunnerOptions;
  /** By id; each ends by itself when its redelivery does, or when this node is to let go of it. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #pauses: Pauses;

  constructor(runtime: Runtime, options: RedeliveryRunnerOptions) {
    super(runtime, {
      name: "search for redeliveries",
      intervalMs: SEARCH_INTERVAL_MS,
      changes: options.changes,
      task: () => this.#search(),
    });
    this.#runtime = runtime;
    this.#options = options;
    this.#pauses = new Pauses(runtime.clock);
  }

  /** Waits for the steps in progress. */
  override async stop(): Promise<void> {
    this.#pauses.close();
    await super.stop();
    await Promise.all(this.#running.values());
  }

  get perSecondDefault(): number {
    return this.#options.perSecondDefault;
  }

  /** The shard for a new one: one of this node's if it has any, so that it begins at once. */
  shardForNew(): number {
    const shardIds = this.#options.shards.list;
    return shardIds[Math.floor(this.#runtime.random() * shardIds.length)] ?? 0;
  }

  /** Begins with one that was stored just now; resolves when it is over, at the latest after `forMs`. */
  async begin(
    key: { readonly projectId: string; readonly id: string },
    forMs: number,
  ): Promise<void> {
    const { database } = this.#options;
    const redelivery = await findRedelivery(database, key);
    if (redelivery === null || this.#pauses.isClosed) return;
    const over = this.#run(redelivery);
    await settledWithin(this.#runtime.clock, over, forMs);
  }

  async #search(): Promise<void> {
    const shardIds = this.#options.shards.list;
    if (shardIds.length === 0) return;
    const redeliveries = await findRunningRedeliveries(this.#options.database, shardIds);
    for (const redelivery of redeliveries) void this.#run(redelivery);
  }

  #run(redelivery: RedeliveryRecord): Promise<void> {
    const known = this.#running.get(redelivery.id);
    if (known !== undefined) return known;
    const running = this.#goOn(redelivery)
      .catch((error: unknown) => {
        const { id } = redelivery;
        this.#runtime.log.warn(
          { err: error, redelivery_id: publicId("redelivery", id) },
          "a redelivery failed; retrying soon",
        );
      })
      .finally(() => this.#running.delete(redelivery.id));
    this.#running.set(redelivery.id, running);
    return running;
  }

  async #goOn(from: RedeliveryRecord): Promise<void> {
    const { clock } = this.#runtime;
    const { shards } = this.#options;
    let redelivery: RedeliveryRecord = from;
    let dueFromMs = clock.monotonic();
    while (!this.#pauses.isClosed) {
      const startedAtMs = clock.monotonic();
      const step = await this.#step(redelivery, dueFromMs);
      if (step === null) return;
      ({ redelivery, dueFromMs } = step);
      const sent = redelivery.isDryRun ? 0 : step.taken;
      const stepMs = redeliveryStepMs(sent, redelivery.perSecond);
      await this.#pauses.pause(stepMs - (clock.monotonic() - startedAtMs));
      if (!shards.has(redelivery.shardId)) return;
    }
  }

  /**
   * Null when nothing is left to do here: it is over, or another node has come further.
   * @param dueFromMs nothing is due before, by the monotonic clock, so that the order and the pace
   *   hold over steps
   */
  async #step(redelivery: RedeliveryRecord, dueFromMs: number): Promise<Step | null> {
    const { clock } = this.#runtime;
    const { perSecond, isDryRun, projectId } = redelivery;
    // In turns with the requests of its project, however many redeliveries that has.
    const database = this.#options.database.within(undefined, projectId);
    const batch = isDryRun ? COUNTED_AT_ONCE_MAX : redeliveryBatch(perSecond);
    const look = await lookForDeliveries(database, redelivery, batch);
    const nowMs = clock.now();
    const taken = look.matching.length;
    const firstDueMs = Math.max(nowMs, fromMonotonic(clock, dueFromMs));
    const dueAtMs = redeliveryDueTimes(firstDueMs, taken, perSecond);
    const outcome = await advanceRedelivery(database, { redelivery, look, dueAtMs, nowMs });
    if (outcome.kind === "overtaken") return null;
    await this.#handOn(outcome.redelivered);
    if (look.isLast) return null;
    return {
      redelivery: { ...redelivery, positionId: look.positionId },
      taken,
      dueFromMs: toMonotonic(clock, firstDueMs) + (taken * 1000) / perSecond,
    };
  }

  async #handOn(deliveries: readonly MatchingDelivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    try {
      await this.#options.redelivered(deliveries);
    } catch (error) {
      this.#runtime.log.warn(
        { err: error },
        "redeliveries could not be handed on; they will be found",
      );
    }
  }
}
