import type { LaneFailure } from "../../store/lane-states.ts";
import type { AttemptErrorCode } from "../../core/delivery/delivery-outcome.ts";
import { Lane } from "../../lanes/lane.ts";
import type { LaneLimits } from "../../lanes/lane-options.ts";
import type { OriginGate } from "../../lanes/origin-gate.ts";
import { type Clock, toMonotonic } from "../../runtime/clock.ts";
import type { DuePosition } from "../../store/deliveries/find-due-deliveries.ts";
import type { PendingDelivery } from "./pending-delivery.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** Why an attempt did not deliver. */
export interface AttemptFailure extends LaneFailure {
  readonly code: AttemptErrorCode;
}

interface OriginQueueOptions {
  readonly projectId: string;
  readonly origin: string;
  readonly limits: LaneLimits;
  /** The project's way to the origin. */
  readonly gate: OriginGate;
  start(callback: PendingDelivery): void;
}

/** The callbacks of one project that wait for one origin. */
export class OriginQueue {
  readonly projectId: string;
  readonly origin: string;
  readonly lane: Lane<PendingDelivery>;
  /** Callbacks in memory, those being sent included. */
  held = 0;
  /** Why the latest failed attempt failed. */
  failure: AttemptFailure | null = null;
  readonly #gate: OriginGate;
  readonly #clock: Clock;
  #backlog: DuePosition | null = null;
  #isBeingRead = false;

  constructor(runtime: Runtime, options: OriginQueueOptions) {
    const { clock } = runtime;
    const { projectId, origin, limits, gate } = options;
    this.projectId = projectId;
    this.origin = origin;
    this.#gate = gate;
    this.#clock = clock;
    this.lane = new Lane<PendingDelivery>(runtime, {
      limits,
      gate,
      start: (callback, generation) => {
        callback.generation = generation;
        options.start(callback);
      },
      isCurrent: (callback, startAtMs) =>
        callback.state === "waiting" && callback.startAtMs === startAtMs,
    });
  }

  /** Queues a callback for when it is due. */
  push(callback: PendingDelivery): void {
    callback.startAtMs = toMonotonic(this.#clock, callback.dueAtMs);
    this.lane.push(callback, callback.startAtMs);
  }

  /** Whether only a probe goes to the origin from time to time. */
  get isFailing(): boolean {
    return this.#gate.breaker.state !== "closed";
  }

  /** Whether a new queue would do as well: nothing was learned that is worth remembering. */
  get isIdle(): boolean {
    return !this.hasBacklog && this.lane.isIdle && this.#gate.isIdle;
  }

  /** Whether more waits in the database, which goes before what comes now. */
  get hasBacklog(): boolean {
    return this.#backlog !== null || this.#isBeingRead;
  }

  /** Something after this position was not let in. */
  noteBacklog(before: DuePosition): void {
    if (this.#backlog === null || isEarlier(before, this.#backlog)) this.#backlog = before;
  }

  /** Hands the backlog to its reader; callbacks that are refused from now on begin a new one. */
  takeBacklog(): DuePosition | null {
    const backlog = this.#backlog;
    this.#backlog = null;
    this.#isBeingRead = backlog !== null;
    return backlog;
  }

  /** The reading is over; `rest` is where the next one goes on. */
  endReading(rest: DuePosition | null): void {
    this.#isBeingRead = false;
    if (rest !== null) this.noteBacklog(rest);
  }
}

function isEarlier(a: DuePosition, b: DuePosition): boolean {
  return a.nextAttemptAtMs === b.nextAttemptAtMs
    ? a.id < b.id
    : a.nextAttemptAtMs < b.nextAttemptAtMs;
}
