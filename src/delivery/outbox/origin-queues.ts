import type { BreakerLimits } from "../../core/pace/breaker.ts";
import type { LaneLimits } from "../../lanes/lane-options.ts";
import { Origin } from "../../lanes/origin.ts";
import { SharedCache } from "../../lanes/shares/shared-cache.ts";
import { OriginQueue } from "./origin-queue.ts";
import type { PendingDelivery } from "./pending-delivery.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/**
 * An origin fails when it has not answered for a while, however often it was tried. Then it is
 * tried once in a while, and the first answer ends the waiting.
 */
const BREAKER: BreakerLimits = {
  failuresInRowMax: 10,
  failingMsMin: 10_000,
  openMsInitial: 5_000,
  openMsMax: 60_000,
};
/** Queues without a callback, of all projects, that are kept for what their lanes have learned. */
const IDLE_MAX = 5_000;

interface OriginQueuesOptions {
  readonly breaker?: BreakerLimits;
  /** The limits of a project's lane to each origin. */
  limitsOf(projectId: string): LaneLimits;
  start(callback: PendingDelivery): void;
  /** The origin of this queue begins to fail, or answers again. */
  onChange(queue: OriginQueue): void;
}

interface Receiver {
  readonly origin: Origin;
  /** One for each project. */
  readonly queues: Map<string, OriginQueue>;
}

/**
 * The queues by origin and project. A project has a lane to an origin, and learns by itself whether
 * its callbacks are taken there; only that nothing can be sent there at all is learned by all. A
 * queue is forgotten when it is empty and there is nothing to remember.
 */
export class OriginQueues {
  readonly #runtime: Runtime;
  readonly #options: OriginQueuesOptions;
  readonly #receivers = new Map<string, Receiver>();
  /** Empty ones. When there are too many, the project with the most loses the one that was empty first. */
  readonly #idle = new SharedCache<true, OriginQueue>(Infinity);
  /** Which part of the lanes' rates is this node's. */
  #share = 1;
  #size = 0;

  constructor(runtime: Runtime, options: OriginQueuesOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  all(): OriginQueue[] {
    return Array.from(this.#receivers.values(), ({ queues }) => [...queues.values()]).flat();
  }

  find(projectId: string, origin: string): OriginQueue | null {
    return this.#receivers.get(origin)?.queues.get(projectId) ?? null;
  }

  get(projectId: string, origin: string): OriginQueue {
    return this.find(projectId, origin) ?? this.#open(projectId, origin);
  }

  /** It holds one more callback. */
  hold(queue: OriginQueue): void {
    queue.held += 1;
    if (queue.held === 1) this.#idle.delete(queue);
  }

  /** It holds one less. */
  release(queue: OriginQueue): void {
    queue.held -= 1;
    this.tidy(queue);
  }

  /** Forgets it if there is nothing to remember. */
  tidy(queue: OriginQueue): void {
    if (queue.held > 0) return;
    if (queue.isIdle) return this.#remove(queue);
    this.#idle.set(queue.projectId, queue, true);
    const loser = this.#idle.size > IDLE_MAX ? this.#idle.nextToLose() : null;
    // The sweep of due deliveries finds its backlog again.
    if (loser !== null) this.#remove(loser);
  }

  configure(projectId: string, limits: LaneLimits): void {
    for (const { queues } of this.#receivers.values())
      queues.get(projectId)?.lane.configure(limits);
  }

  setShare(share: number): void {
    // Attempts in progress finish; nothing else is sent.
    if (share === 0) return;
    this.#share = share;
    for (const queue of this.all()) queue.lane.setShare(share);
  }

  #open(projectId: string, origin: string): OriginQueue {
    const receiver = this.#receivers.get(origin) ?? this.#openReceiver(origin);
    const limits = this.#options.limitsOf(projectId);
    const gate = receiver.origin.gateOf(projectId);
    const queue = new OriginQueue(this.#runtime, {
      ...this.#options,
      projectId,
      origin,
      limits,
      gate,
    });
    queue.lane.setShare(this.#share);
    receiver.queues.set(projectId, queue);
    this.#idle.set(projectId, queue, true);
    this.#size += 1;
    return queue;
  }

  #openReceiver(origin: string): Receiver {
    const { breaker = BREAKER } = this.#options;
    const queues = new Map<string, OriginQueue>();
    const failing = new Set<string>();
    const shared = new Origin(this.#runtime, {
      resource: "callback_requests",
      concurrency: Infinity,
      breaker,
      onBreaker: (projectId, { state }) => {
        // A probe that is let through is neither the one nor the other.
        if (failing.has(projectId) === (state !== "closed")) return;
        if (state === "closed") failing.delete(projectId);
        else failing.add(projectId);
        const queue = queues.get(projectId);
        if (queue !== undefined) this.#options.onChange(queue);
      },
    });
    const receiver = { origin: shared, queues };
    this.#receivers.set(origin, receiver);
    return receiver;
  }

  #remove(queue: OriginQueue): void {
    this.#idle.delete(queue);
    queue.lane.close();
    const receiver = this.#receivers.get(queue.origin);
    if (receiver?.queues.delete(queue.projectId) !== true) return;
    receiver.origin.forget(queue.projectId);
    this.#size -= 1;
    if (receiver.queues.size === 0) this.#receivers.delete(queue.origin);
  }
}
