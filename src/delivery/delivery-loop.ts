import type { EventContent } from "../core/event.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Service } from "../runtime/service.ts";
import type { Database } from "../store/database.ts";
import {
  BEFORE_ALL_DUE,
  DUE_ROWS_MAX,
  type DuePosition,
  loadDeliveries,
  loadDueDeliveries,
  type LoadedDelivery,
} from "../store/load-deliveries.ts";
import type { OwedDelivery } from "../store/record-events.ts";
import { attemptDelivery, type AttemptResult, type DelivererPorts } from "./deliverer.ts";
import { Outbox } from "./outbox.ts";
import { owedCallback, type OwedCallback } from "./owed-callback.ts";

const LOAD_INTERVAL_MS = 1000;
/** What is due this soon is kept in memory. */
const HORIZON_MS = 2000;
/** Crowded lanes make room many times a second; reading everything due each time would not pay. */
const ROOM_INTERVAL_MS = 250;
/** From time to time everything due is read again, whatever hand-over was missed. */
const RELOAD_INTERVAL_MS = 30_000;

export interface DeliveryLoopPorts extends DelivererPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Results above this go by reference. */
  readonly inlineResultBytesMax: number;
  ownedShards(): readonly number[];
}

/**
 * Sends what is owed. Callbacks come from three sides: handed over by whoever recorded their event,
 * named by their ids, and, for all that waits for a retry or was handed over by nobody, read from
 * the database shortly before they are due.
 */
export class DeliveryLoop implements Service {
  readonly name = "delivery";
  readonly outbox: Outbox;
  readonly #ports: DeliveryLoopPorts;
  readonly #loader: Repeater;
  /** All that is due up to here has been read. */
  #readUpTo: DuePosition = BEFORE_ALL_DUE;
  /** Before the earliest of what was refused for want of room; null when all was let in. */
  #refusedAfter: DuePosition | null = null;
  /** Grows with every reload, so that a read under way can't undo one. */
  #reloads = 0;
  #reloadAtMs = 0;
  #roomAtMs = 0;
  /** Attempts that ended while a read was under way: that read knows them as still waiting. */
  #endedDuringLoad: Set<string> | null = null;
  #underWay = 0;
  #onIdle: (() => void) | null = null;

  constructor(ports: DeliveryLoopPorts) {
    this.#ports = ports;
    this.outbox = new Outbox({
      clock: ports.clock,
      send: (callback) => void this.#attempt(callback),
      onRoom: () => this.#onRoom(),
    });
    this.#loader = new Repeater({
      name: "load due deliveries",
      intervalMs: LOAD_INTERVAL_MS,
      task: () => this.#loadDue(),
      clock: ports.clock,
      log: ports.log,
    });
  }

  start(): Promise<void> {
    return this.#loader.start();
  }

  /** Begins no more attempts and waits for those under way to be recorded. */
  async stop(): Promise<void> {
    this.outbox.close();
    await this.#loader.stop();
    if (this.#underWay === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Takes over what an event owes that was recorded just now. */
  owe(owed: readonly OwedDelivery[], event: EventContent, resultBytes: number): void {
    const { inlineResultBytesMax } = this.#ports;
    for (const delivery of owed) {
      const callback = owedCallback(delivery, event, resultBytes, inlineResultBytesMax);
      if (!this.outbox.admit(callback)) this.#noteRefusal(positionBefore(delivery));
    }
  }

  /** Sends these deliveries if they are pending: a late subscription's, or redelivered by hand. */
  async deliver(keys: readonly { readonly shardId: number; readonly id: string }[]): Promise<void> {
    const { database, inlineResultBytesMax } = this.#ports;
    this.#admit(await loadDeliveries(database, keys, inlineResultBytesMax));
  }

  /** Reads everything due again, soon. */
  reload(): void {
    this.#rewind();
    this.#loader.trigger();
  }

  /** Forgets what waits for a subscription that was deleted. */
  dropSubscription(subscriptionId: string): void {
    this.outbox.dropSubscription(subscriptionId);
  }

  /** Lets go of a shard that another node owns from now on. */
  dropShard(shardId: number): void {
    this.outbox.dropShard(shardId);
  }

  async #loadDue(): Promise<void> {
    const nowMs = this.#ports.clock.now();
    if (nowMs >= this.#reloadAtMs) {
      this.#rewind();
      this.#reloadAtMs = nowMs + RELOAD_INTERVAL_MS;
    }
    while (!this.outbox.isFull) {
      const count = await this.#loadPage();
      if (count < DUE_ROWS_MAX) return;
    }
  }

  async #loadPage(): Promise<number> {
    const shardIds = this.#ports.ownedShards();
    if (shardIds.length === 0) return 0;
    const after = this.#readUpTo;
    const reloads = this.#reloads;
    const exceptOrigins = this.outbox.passOverFullOrigins();
    if (exceptOrigins.length > 0) this.#noteRefusal(after);
    this.#endedDuringLoad = new Set();
    try {
      const rows = await loadDueDeliveries(this.#ports.database, {
        shardIds,
        dueByMs: this.#ports.clock.now() + HORIZON_MS,
        after,
        exceptOrigins,
        exceptIds: after === BEFORE_ALL_DUE ? this.outbox.heldIds() : [],
        inlineResultBytesMax: this.#ports.inlineResultBytesMax,
      });
      const last = rows.at(-1)?.delivery;
      if (last !== undefined && this.#reloads === reloads) {
        this.#readUpTo = { nextAttemptAtMs: last.nextAttemptAtMs, id: last.id };
      }
      this.#admit(rows);
      return rows.length;
    } finally {
      this.#endedDuringLoad = null;
    }
  }

  #noteRefusal(position: DuePosition): void {
    if (this.#refusedAfter === null || isEarlier(position, this.#refusedAfter)) {
      this.#refusedAfter = position;
    }
  }

  /** A lane that was full takes more again: reads on from where something was refused. */
  #onRoom(): void {
    this.#readUpTo = this.#refusedAfter ?? this.#readUpTo;
    this.#refusedAfter = null;
    this.#reloads += 1;
    const nowMs = this.#ports.clock.now();
    if (nowMs < this.#roomAtMs) return;
    this.#roomAtMs = nowMs + ROOM_INTERVAL_MS;
    this.#loader.trigger();
  }

  #rewind(): void {
    this.#readUpTo = BEFORE_ALL_DUE;
    this.#refusedAfter = null;
    this.#reloads += 1;
  }

  #admit(rows: readonly LoadedDelivery[]): void {
    const owned = new Set(this.#ports.ownedShards());
    for (const { delivery, event, resultBytes } of rows) {
      if (!owned.has(delivery.shardId) || this.#endedDuringLoad?.has(delivery.id) === true)
        continue;
      const { inlineResultBytesMax } = this.#ports;
      const callback = owedCallback(delivery, event, resultBytes, inlineResultBytesMax);
      const isIn = this.outbox.holds(delivery.id) || this.outbox.admit(callback);
      if (!isIn) this.#noteRefusal(positionBefore(delivery));
    }
  }

  async #attempt(callback: OwedCallback): Promise<void> {
    this.#underWay += 1;
    let result: AttemptResult = { kind: "over" };
    try {
      result = await attemptDelivery(this.#ports, callback);
    } catch (error) {
      // Still pending in the database: the next reload finds it.
      this.#ports.log.error(
        { err: error, deliveryId: callback.delivery.id },
        "an attempt failed to be made or recorded",
      );
    }
    this.#endedDuringLoad?.add(callback.delivery.id);
    const horizonMs = this.#ports.clock.now() + HORIZON_MS;
    if (result.kind === "retry" && result.atMs <= horizonMs) {
      // Let go of meanwhile: what was read anew since knows its last attempt, not its next.
      if (callback.state === "dropped") this.#rewind();
      this.outbox.retry(callback, result.atMs);
    } else {
      this.outbox.finish(callback);
    }
    if (result.kind === "gone") this.outbox.dropSubscription(callback.delivery.subscriptionId);
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#onIdle?.();
  }
}

function positionBefore(delivery: OwedDelivery): DuePosition {
  return { nextAttemptAtMs: delivery.nextAttemptAtMs, id: BEFORE_ALL_DUE.id };
}

function isEarlier(a: DuePosition, b: DuePosition): boolean {
  return a.nextAttemptAtMs === b.nextAttemptAtMs
    ? a.id < b.id
    : a.nextAttemptAtMs < b.nextAttemptAtMs;
}
