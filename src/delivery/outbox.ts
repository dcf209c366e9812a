import { Lane, type LaneLimits } from "../lanes/lane.ts";
import { OriginGate } from "../lanes/origin-gate.ts";
import type { Clock } from "../runtime/clock.ts";
import { heldBytes, type OwedCallback } from "./owed-callback.ts";

/** Of a callback origin. */
const LIMITS: LaneLimits = { concurrency: 32, requestsPerSecond: null, burst: 1 };
/** Past these, an origin is let in only up to its reserve, so that full ones can't shut it out. */
const HELD_MAX = 40_000;
const HELD_BYTES_MAX = 128 * 1024 * 1024;
const HELD_PER_ORIGIN_MAX = 8_000;
const RESERVED_PER_ORIGIN = LIMITS.concurrency;
/** Past these, nobody is let in. */
const HELD_HARD_MAX = 100_000;
const HELD_BYTES_HARD_MAX = 2 * HELD_BYTES_MAX;

interface OriginQueue {
  readonly lane: Lane<OwedCallback>;
  held: number;
  /** More of this origin waits in the database than was let in. */
  isBacklogged: boolean;
}

/**
 * What to send, when: the callbacks that are due about now, a lane for each origin. It is bounded
 * in number and bytes, in all and for each origin; what is over the bound is refused, stays in the
 * database, and is loaded when there is room again.
 */
export class Outbox {
  readonly #clock: Clock;
  readonly #send: (callback: OwedCallback) => void;
  readonly #onRoom: () => void;
  readonly #held = new Map<string, OwedCallback>();
  readonly #origins = new Map<string, OriginQueue>();
  #heldBytes = 0;
  #closed = false;

  constructor(ports: {
    readonly clock: Clock;
    /** A callback's turn has come; ends with `finish` or `retry`. */
    readonly send: (callback: OwedCallback) => void;
    /** Something that was refused may be let in now. */
    readonly onRoom: () => void;
  }) {
    this.#clock = ports.clock;
    this.#send = ports.send;
    this.#onRoom = ports.onRoom;
  }

  get size(): number {
    return this.#held.size;
  }

  get originCount(): number {
    return this.#origins.size;
  }

  holds(deliveryId: string): boolean {
    return this.#held.has(deliveryId);
  }

  heldIds(): string[] {
    return [...this.#held.keys()];
  }

  /** Origins that take no more now. What is left in the database for them is asked for later. */
  passOverFullOrigins(): string[] {
    const full: string[] = [];
    for (const [origin, queue] of this.#origins) {
      if (this.#hasRoom(queue)) continue;
      queue.isBacklogged = true;
      full.push(origin);
    }
    return full;
  }

  /** Whether not even an origin that has nothing here would be let in. */
  get isFull(): boolean {
    return this.#held.size >= HELD_HARD_MAX || this.#heldBytes >= HELD_BYTES_HARD_MAX;
  }

  /** Queues a callback; false when there is no room or it is held already. */
  admit(callback: OwedCallback): boolean {
    if (this.#closed || this.holds(callback.delivery.id)) return false;
    const queue = this.#queue(callback.delivery.callbackOrigin);
    if (!this.#hasRoom(queue)) {
      queue.isBacklogged = true;
      this.#forgetIfEmpty(callback.delivery.callbackOrigin, queue);
      return false;
    }
    this.#held.set(callback.delivery.id, callback);
    this.#heldBytes += heldBytes(callback);
    queue.held += 1;
    queue.lane.push(callback, callback.dueAtMs);
    return true;
  }

  /** The attempt is over and its callback needs no more of them for now. */
  finish(callback: OwedCallback): void {
    const queue = this.#settle(callback);
    this.#forget(callback, queue);
  }

  /** The attempt is over; the next one is near enough to stay in memory. */
  retry(callback: OwedCallback, dueAtMs: number): void {
    const queue = this.#settle(callback);
    if (callback.state === "dropped" || this.#closed) return this.#forget(callback, queue);
    callback.state = "waiting";
    callback.dueAtMs = dueAtMs;
    queue.lane.push(callback, dueAtMs);
  }

  /** Forgets what waits for this shard; what is being sent ends by itself. */
  dropShard(shardId: number): void {
    this.#drop((callback) => callback.delivery.shardId === shardId);
  }

  /** Forgets what waits for a subscription that hears nothing more. */
  dropSubscription(subscriptionId: string): void {
    this.#drop((callback) => callback.delivery.subscriptionId === subscriptionId);
  }

  /** Begins no more attempts. */
  close(): void {
    this.#closed = true;
    for (const queue of this.#origins.values()) queue.lane.close();
  }

  #hasRoom(queue: OriginQueue): boolean {
    if (this.isFull) return false;
    if (queue.held < RESERVED_PER_ORIGIN) return true;
    const isCrowded = this.#held.size >= HELD_MAX || this.#heldBytes >= HELD_BYTES_MAX;
    return !isCrowded && queue.held < HELD_PER_ORIGIN_MAX;
  }

  #start(callback: OwedCallback): void {
    callback.state = "sending";
    this.#send(callback);
  }

  #drop(isMeant: (callback: OwedCallback) => boolean): void {
    for (const callback of this.#held.values()) {
      if (!isMeant(callback)) continue;
      if (callback.state === "waiting") {
        this.#forget(callback, this.#queue(callback.delivery.callbackOrigin));
      }
      callback.state = "dropped";
    }
  }

  #queue(origin: string): OriginQueue {
    const known = this.#origins.get(origin);
    if (known !== undefined) return known;
    const lane = new Lane<OwedCallback>({
      limits: LIMITS,
      gate: new OriginGate({ clock: this.#clock, concurrency: Infinity, breaker: null }),
      clock: this.#clock,
      start: (callback) => this.#start(callback),
      isCurrent: (callback, dueAtMs) =>
        callback.state === "waiting" && callback.dueAtMs === dueAtMs,
    });
    const queue: OriginQueue = { lane, held: 0, isBacklogged: false };
    this.#origins.set(origin, queue);
    return queue;
  }

  #settle(callback: OwedCallback): OriginQueue {
    const queue = this.#queue(callback.delivery.callbackOrigin);
    queue.lane.settle({ kind: "healthy" });
    return queue;
  }

  #forget(callback: OwedCallback, queue: OriginQueue): void {
    callback.state = "dropped";
    if (!this.#held.delete(callback.delivery.id)) return;
    this.#heldBytes -= heldBytes(callback);
    queue.held -= 1;
    // Asked for in large steps: each asking reads everything that is due.
    const hasDrained = queue.held <= HELD_PER_ORIGIN_MAX / 4 && this.#hasRoom(queue);
    this.#forgetIfEmpty(callback.delivery.callbackOrigin, queue);
    if (!queue.isBacklogged || !hasDrained) return;
    queue.isBacklogged = false;
    this.#onRoom();
  }

  #forgetIfEmpty(origin: string, queue: OriginQueue): void {
    if (queue.held === 0 && queue.lane.inFlight === 0) this.#origins.delete(origin);
  }
}
