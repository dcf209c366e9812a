import type { OwnedShards } from "../runtime/owned-shards.ts";
import { BLOCKED_MS_MIN, blockedMsMax } from "../core/delivery/retry-schedule.ts";
import type { Database } from "../store/db/database.ts";
import {
  BEFORE_ALL_DUE,
  DUE_ROWS_MAX,
  type DuePosition,
} from "../store/deliveries/find-due-deliveries.ts";
import { findBlocked, type BlockedDelivery } from "../store/deliveries/find-blocked.ts";
import type { Writers } from "../store/writes/writers.ts";
import { attemptRow } from "./attempt/attempt-record.ts";
import { exhaustedEvent, logExhausted } from "./operational/delivery-events.ts";
import type { OperationalEvents } from "./operational/operational-events.ts";
import {
  type DeliverySettings,
  type ProjectDeliverySettings,
  scheduleOfDelivery,
} from "./delivery-settings.ts";
import { PAGE_INTERVAL_MS } from "./due-reader.ts";
import type { OriginQueue } from "./outbox/origin-queue.ts";
import type { Outbox } from "./outbox/outbox.ts";
import type { Runtime } from "../runtime/runtime.ts";

interface BlockedDeliveriesOptions {
  readonly database: Database;
  readonly outbox: Outbox;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  readonly settings: Pick<ProjectDeliverySettings, "of">;
  readonly writers: Pick<Writers, "recordAttempt">;
  readonly operationalEvents: Pick<OperationalEvents, "publish">;
}

/**
 * Ensures that blocked deliveries are eventually released. While an origin fails they are not attempted,
 * so its schedule does not move on; once it would have been used up, the delivery is exhausted. A
 * page of one origin is looked through at a time, in turn.
 */
export class BlockedDeliveries {
  readonly #runtime: Runtime;
  readonly #options: BlockedDeliveriesOptions;
  /** The position in the deliveries of the origin that is being scanned. */
  #position: DuePosition = BEFORE_ALL_DUE;
  #pageAtMs = 0;
  #turn: { readonly projectId: string; readonly origin: string } | null = null;

  constructor(runtime: Runtime, options: BlockedDeliveriesOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  async round(): Promise<void> {
    const { clock } = this.#runtime;
    if (clock.monotonic() < this.#pageAtMs) return;
    this.#pageAtMs = clock.monotonic() + PAGE_INTERVAL_MS;
    const nowMs = clock.now();
    const queue = this.#queueInTurn();
    const shardIds = this.#options.shards.list;
    if (queue === null || shardIds.length === 0) return;
    const rows = await findBlocked(this.#options.database, {
      projectId: queue.projectId,
      callbackOrigin: queue.origin,
      shardIds,
      dueByMs: nowMs - BLOCKED_MS_MIN,
      after: this.#position,
    });
    const last = rows.at(-1);
    if (last === undefined || rows.length < DUE_ROWS_MAX) this.#endTurn();
    else this.#position = { nextAttemptAtMs: last.nextAttemptAtMs, id: last.id };
    const settings = this.#options.settings.of(queue.projectId);
    const overdue = rows.filter((delivery) => isOverdue(delivery, settings, nowMs));
    await Promise.all(overdue.map((delivery) => this.#giveUp(queue, delivery, nowMs)));
  }

  /** The origin of the turn before while it is not looked through, else the next that fails. */
  #queueInTurn(): OriginQueue | null {
    const failing = this.#options.outbox.failingOrigins;
    const turn = this.#turn;
    const index = failing.findIndex(
      ({ projectId, origin }) => projectId === turn?.projectId && origin === turn.origin,
    );
    const isInProgress = this.#position !== BEFORE_ALL_DUE && index !== -1;
    const queue = isInProgress ? failing[index] : (failing[index + 1] ?? failing[0]);
    if (!isInProgress) this.#endTurn();
    this.#turn = queue ?? null;
    return queue ?? null;
  }

  #endTurn(): void {
    this.#position = BEFORE_ALL_DUE;
  }

  async #giveUp(
    { projectId, origin: callbackOrigin }: OriginQueue,
    delivery: BlockedDelivery,
    nowMs: number,
  ): Promise<void> {
    const sinceText = new Date(delivery.nextAttemptAtMs).toISOString();
    const message = `Its origin did not answer; held back since ${sinceText}, as long as its schedule had left.`;
    const exchange = { kind: "not_sent", reason: "origin_failing", message } as const;
    const made = { exchange, durationMs: 0, note: null, responseExcerpt: null };
    const step = { status: "exhausted", errorCode: exchange.reason } as const;
    const row = attemptRow({ ...delivery, projectId }, delivery.attemptCount, nowMs, made, step);
    const isRecorded = await this.#options.writers.recordAttempt(row);
    this.#options.outbox.dropDelivery(delivery.id);
    if (!isRecorded) return;
    this.#runtime.metrics.minutes.attempted(projectId, step.status, null, nowMs);
    const event = exhaustedEvent({ ...delivery, projectId, callbackOrigin }, step.errorCode);
    logExhausted(this.#runtime.log, event);
    this.#options.operationalEvents.publish(event);
  }
}

function isOverdue(delivery: BlockedDelivery, settings: DeliverySettings, nowMs: number): boolean {
  const attempts = delivery.attemptCount - delivery.attemptsBefore;
  const maxMs = blockedMsMax(scheduleOfDelivery(delivery, settings), attempts);
  return nowMs - delivery.nextAttemptAtMs > maxMs;
}
