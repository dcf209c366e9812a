import type { BreakerLimits } from "../../core/pace/breaker.ts";
import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import type { LaneVerdict } from "../../core/job/job.ts";
import type { LaneLimits } from "../../lanes/lane-options.ts";
import { type DuePosition, positionBefore } from "../../store/deliveries/find-due-deliveries.ts";
import type { HeldState } from "../../core/waiting/delivery-wait.ts";
import type { AttemptFailure, OriginQueue } from "./origin-queue.ts";
import { OriginQueues } from "./origin-queues.ts";
import { heldBytes, type PendingDelivery } from "./pending-delivery.ts";
import { OutboxSpace } from "./outbox-space.ts";
import { SubscriptionOrder } from "./subscription-order.ts";
import type { Runtime } from "../../runtime/runtime.ts";

const HELD_PER_ORIGIN_MAX = 25_000;
/**
 * When little space is left, a lane is let in only up to its reserve, so that full ones can't shut it
 * out. Also all that the lane to a failing origin may hold: it is tried one by one.
 */
const RESERVED_PER_ORIGIN = 32;

/** An origin begins to fail on behalf of a project, or answers again. */
export interface OriginChange {
  readonly projectId: string;
  readonly origin: string;
  readonly isFailing: boolean;
}

interface Held {
  readonly callback: PendingDelivery;
  readonly queue: OriginQueue;
}

interface OutboxOptions {
  /** When an origin counts as failing, if not as usual. */
  readonly breaker?: BreakerLimits;
  /** The limits of a project's lane to each origin. */
  limitsOf(projectId: string): LaneLimits;
  /** A callback's turn has come; ends with `finish` or `retry`. */
  send(callback: PendingDelivery): void;
  /** Something that was refused may be let in now. */
  onRoom(): void;
  /** An origin begins to fail, or answers again. */
  onOriginChange(change: OriginChange): void;
}

/**
 * The callbacks that are due about now, in a lane for each project and origin.
 * Bounded in number and bytes, in total, per project and per lane. Callbacks beyond a bound are
 * refused; they stay in the database and are loaded when there is room again.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #held = new Map<string, Held>();
  readonly #queues: OriginQueues;
  readonly #order = new SubscriptionOrder();
  readonly #space = new OutboxSpace();
  #closed = false;

  constructor(runtime: Runtime, options: OutboxOptions) {
    this.#options = options;
    this.#queues = new OriginQueues(runtime, {
      ...options,
      start: (callback) => this.#start(callback),
      onChange: (queue) => this.#onChange(queue),
    });
  }

  get size(): number {
    return this.#held.size;
  }

  get originCount(): number {
    return this.#queues.size;
  }

  /** Whether not even an origin that has nothing here would be let in. */
  get isFull(): boolean {
    return this.#space.isFull;
  }

  get failingOrigins(): OriginQueue[] {
    return this.#queues.all().filter((queue) => queue.isFailing);
  }

  /** Origins of which more waits in the database, and that have drained enough to ask for it. */
  get readableBacklogs(): OriginQueue[] {
    return this.#queues.all().filter((queue) => queue.hasBacklog && this.#hasDrained(queue));
  }

  /** The state of this delivery in memory; null when it is not there. */
  stateOf(deliveryId: string): HeldState | null {
    const state = this.#held.get(deliveryId)?.callback.state;
    return state === undefined || state === "dropped" ? null : state;
  }

  /** Those of a shard that are being sent, or wait for another of their subscription. */
  busyOfShard(shardId: number, max: number): { readonly id: string; readonly state: HeldState }[] {
    const busy: { readonly id: string; readonly state: HeldState }[] = [];
    for (const [id, { callback }] of this.#held) {
      if (busy.length === max) break;
      const { state } = callback;
      if (callback.delivery.shardId !== shardId) continue;
      if (state === "sending" || state === "blocked") busy.push({ id, state });
    }
    return busy;
  }

  /** The project's queue to an origin; null when nothing is in memory for it. */
  queueOf(projectId: string, origin: string): OriginQueue | null {
    return this.#queues.find(projectId, origin);
  }

  /** Queues whose callbacks can't be sent as they fall due. */
  get heldUpQueues(): OriginQueue[] {
    return this.#queues.all().filter((queue) => queue.lane.isHeldUp);
  }

  /** An attempt at the callback's origin failed. */
  noteFailure({ delivery: { id } }: PendingDelivery, failure: AttemptFailure): void {
    const held = this.#held.get(id);
    if (held !== undefined) held.queue.failure = failure;
  }

  holds(deliveryId: string): boolean {
    return this.#held.has(deliveryId);
  }

  /** How many more of it may be let in; 0 as well where what waits in the database goes first. */
  roomFor(projectId: string, origin: string): number {
    const queue = this.#queues.find(projectId, origin);
    if (queue === null) {
      return this.#space.leftFor(projectId) === "none" ? 0 : RESERVED_PER_ORIGIN;
    }
    return queue.hasBacklog ? 0 : this.room(queue);
  }

  /** How many more callbacks the queue may hold. */
  room(queue: OriginQueue): number {
    const left = this.#space.leftFor(queue.projectId);
    if (left === "none") return 0;
    const isSmall = left === "reserve" || queue.isFailing;
    const most = isSmall ? RESERVED_PER_ORIGIN : HELD_PER_ORIGIN_MAX;
    return Math.max(0, most - queue.held);
  }

  /** Something of this origin that is due then was left in the database. */
  noteBacklog(projectId: string, origin: string, dueAtMs: number): void {
    this.#queues.get(projectId, origin).noteBacklog(positionBefore(dueAtMs));
  }

  /** The backlog of this origin was read, up to `rest` or all of it. */
  endReading(queue: OriginQueue, rest: DuePosition | null): void {
    queue.endReading(rest);
    this.#queues.tidy(queue);
  }

  /** Queues what came to be owed just now; false when it has to wait in the database. */
  offer(callback: PendingDelivery): boolean {
    const { projectId, callbackOrigin } = callback.delivery;
    const isBehind = this.#queues.find(projectId, callbackOrigin)?.hasBacklog === true;
    if (!isBehind) return this.admit(callback);
    this.noteBacklog(projectId, callbackOrigin, callback.dueAtMs);
    return false;
  }

  /** Queues what was read from the database; false when there is no room, which is remembered. */
  admit(callback: PendingDelivery): boolean {
    const { id, projectId, callbackOrigin } = callback.delivery;
    if (this.#closed || this.isFull) return false;
    if (this.holds(id)) return true;
    const queue = this.#queues.get(projectId, callbackOrigin);
    if (this.room(queue) === 0) {
      queue.noteBacklog(positionBefore(callback.dueAtMs));
      return false;
    }
    this.#held.set(id, { callback, queue });
    this.#space.take(projectId, heldBytes(callback));
    this.#queues.hold(queue);
    if (callback.delivery.wantsProgress) this.#enterInOrder(callback);
    if (callback.state === "waiting") queue.push(callback);
    return true;
  }

  /** Its lane goes on with others; what is left of the attempt ends with `finish` or `retry`. */
  leaveLane(callback: PendingDelivery, verdict: LaneVerdict): void {
    callback.isInLane = false;
    this.#held.get(callback.delivery.id)?.queue.lane.settle(verdict, callback.generation);
  }

  /** The attempt is over and its callback needs no more of them for now. */
  finish(callback: PendingDelivery, verdict: LaneVerdict): void {
    this.#settle(callback, verdict);
    this.#letNextGo(callback);
    this.#forget(callback);
  }

  /** The attempt is over; the next one is near enough to stay in memory. */
  retry(callback: PendingDelivery, dueAtMs: number, verdict: LaneVerdict): void {
    const queue = this.#settle(callback, verdict);
    // A later event of its subscription has made this one out of date.
    const isOutOfDate = this.#letNextGo(callback);
    const isOver = callback.state === "dropped" || this.#closed || isOutOfDate;
    if (isOver || queue === null) return this.#forget(callback);
    callback.state = "waiting";
    callback.dueAtMs = dueAtMs;
    if (callback.delivery.wantsProgress) this.#order.enter(callback);
    queue.push(callback);
  }

  /** Forgets what waits for this shard; what is being sent ends by itself. */
  dropShard(shardId: number): void {
    this.#drop((callback) => callback.delivery.shardId === shardId);
  }

  /** Drops the waiting callbacks of a subscription that receives nothing more. */
  dropSubscription(subscriptionId: string): void {
    this.#drop((callback) => callback.delivery.subscriptionId === subscriptionId);
  }

  /** Forgets this delivery, unless it is being sent. */
  dropDelivery(deliveryId: string): void {
    const held = this.#held.get(deliveryId);
    if (held !== undefined && isWaiting(held.callback)) this.#forget(held.callback);
  }

  /** Holds each project to its limits on callbacks in memory. */
  keepTo(limits: Pick<ProjectLimits, "allowed" | "measuredBy">): void {
    this.#space.keepTo(limits);
  }

  /** The project's lanes have other limits. */
  configure(projectId: string, limits: LaneLimits): void {
    this.#queues.configure(projectId, limits);
  }

  /** Which part of the lanes' limits is this node's. */
  setShare(share: number): void {
    this.#queues.setShare(share);
  }

  /** Begins no more attempts. */
  close(): void {
    this.#closed = true;
    for (const queue of this.#queues.all()) queue.lane.close();
  }

  #start(callback: PendingDelivery): void {
    callback.state = "sending";
    callback.isInLane = true;
    if (callback.delivery.wantsProgress) this.#order.started(callback);
    this.#options.send(callback);
  }

  /** Forgets what is out of date now: an older one, or this one if a newer is here already. */
  #enterInOrder(callback: PendingDelivery): void {
    const { verdict, dropped } = this.#order.enter(callback);
    if (dropped !== null) this.#forget(dropped);
    if (verdict === "wait") callback.state = "blocked";
    if (verdict === "superseded") this.#forget(callback);
  }

  /** Whether one waited for this attempt to be over. */
  #letNextGo(callback: PendingDelivery): boolean {
    if (!callback.delivery.wantsProgress) return false;
    const next = this.#order.settled(callback);
    if (next === null || next.state !== "blocked") return false;
    next.state = "waiting";
    this.#held.get(next.delivery.id)?.queue.push(next);
    return true;
  }

  #settle(callback: PendingDelivery, verdict: LaneVerdict): OriginQueue | null {
    const queue = this.#held.get(callback.delivery.id)?.queue ?? null;
    if (queue !== null && callback.isInLane) this.leaveLane(callback, verdict);
    return queue;
  }

  #onChange(queue: OriginQueue): void {
    const { projectId, origin, isFailing } = queue;
    if (isFailing) this.#shed(queue);
    this.#options.onOriginChange({ projectId, origin, isFailing });
    if (!isFailing && queue.hasBacklog) this.#options.onRoom();
  }

  /** Makes room for others: of a failing origin only what may be tried soon stays in memory. */
  #shed(queue: OriginQueue): void {
    if (queue.held <= RESERVED_PER_ORIGIN) return;
    const waiting = Array.from(this.#held.values())
      .filter((held) => held.queue === queue && held.callback.state === "waiting")
      .map((held) => held.callback)
      .sort((a, b) => a.dueAtMs - b.dueAtMs);
    queue.lane.clear();
    for (const [index, callback] of waiting.entries()) {
      if (index < RESERVED_PER_ORIGIN) {
        queue.push(callback);
        continue;
      }
      queue.noteBacklog(positionBefore(callback.dueAtMs));
      this.#forget(callback);
    }
  }

  #drop(isMeant: (callback: PendingDelivery) => boolean): void {
    for (const { callback } of this.#held.values()) {
      if (!isMeant(callback)) continue;
      if (isWaiting(callback)) this.#forget(callback);
      else callback.state = "dropped";
    }
  }

  #forget(callback: PendingDelivery): void {
    const held = this.#held.get(callback.delivery.id);
    callback.state = "dropped";
    if (held?.callback !== callback) return;
    this.#held.delete(callback.delivery.id);
    this.#space.giveBack(callback.delivery.projectId, heldBytes(callback));
    if (callback.delivery.wantsProgress) this.#order.left(callback);
    const { queue } = held;
    this.#queues.release(queue);
    if (queue.hasBacklog && this.#hasDrained(queue)) this.#options.onRoom();
  }

  /** Asked for in large steps: each asking is a statement. */
  #hasDrained(queue: OriginQueue): boolean {
    const few = queue.isFailing ? RESERVED_PER_ORIGIN / 2 : HELD_PER_ORIGIN_MAX / 4;
    return queue.held <= few && this.room(queue) > 0;
  }
}

function isWaiting({ state }: PendingDelivery): boolean {
  return state === "waiting" || state === "blocked";
}
