import {
  afterFailure,
  afterSuccess,
  afterTime,
  BREAKER_CLOSED,
  type Breaker,
  type BreakerLimits,
} from "../core/pace/breaker.ts";
import { type LaneVerdict, reachOf } from "../core/job/job.ts";
import type { Reach } from "../core/request-failure.ts";
import type { Timer } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";

function hasReached({ kind }: LaneVerdict): boolean {
  return kind === "healthy" || kind === "rate_limited";
}

/** A lane, as the gate sees it. */
export interface GateClient {
  /** Called when its turn has come: `admit` lets it start one item now. */
  takeTurn(): void;
}

/** The origin, as the gate of one of its projects sees it. */
export interface SharedOrigin {
  /** How many more requests may be in progress, for all projects together. */
  readonly free: number;
  /** Its breaker is open when several projects can't reach it. */
  readonly reachability: Breaker;
  /** Lets the visitor start one item, or calls it when its turn comes. */
  admit(gate: OriginGate, visitor: GateClient, nowMs: number): boolean;
  /** Records the end of one of its requests. */
  leave(gate: OriginGate, reach: Reach): void;
  /** Lets the next probe of an unreachable origin through now. */
  probeNow(): void;
  /**
   * Records whether the gate's breaker is open only because its project could not reach the origin.
   */
  setUnreached(gate: OriginGate, isUnreached: boolean): void;
}

/** A project's share of a resource that all its requests use, at all origins. */
export interface WorkShare {
  mayBegin(nowMs: number): boolean;
  begin(): void;
  end(): void;
  /** When to ask again. */
  nextAtMs(nowMs: number): number;
}

interface OriginGateOptions {
  readonly projectId: string;
  readonly origin: SharedOrigin;
  /** null for a gate without a breaker. */
  readonly breaker: BreakerLimits | null;
  readonly share?: WorkShare | undefined;
  /** Called when the breaker of the project's lanes opens, lets a probe through, or closes. */
  readonly onBreaker?: ((breaker: Breaker) => void) | undefined;
}

/**
 * The parts that a project's lanes to one origin share: a breaker of their own, since the responses a project
 * gets, and how its definitions read them, are in its own hands and say nothing about other
 * projects. A lane asks before each start. While the breaker lets only probes through, and while
 * the project uses its share of the origin's requests in progress, lanes wait and take turns.
 */
export class OriginGate {
  readonly projectId: string;
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #options: OriginGateOptions;
  readonly #waiting = new Set<GateClient>();
  #breaker: Breaker = BREAKER_CLOSED;
  #inFlight = 0;
  #isProbing = false;
  /** True when all faults since the last response were failures to reach the origin at all. */
  #isUnreached = false;
  /** The state that was reported last. */
  #reported: Breaker["state"] = "closed";
  /** The client whose turn it is now. */
  #atTurn: GateClient | null = null;
  #timer: Timer | null = null;

  constructor(runtime: Pick<Runtime, "clock">, options: OriginGateOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.projectId = options.projectId;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** The breaker that blocks the project's lanes: the origin's, or their own. */
  get breaker(): Breaker {
    const { reachability } = this.#options.origin;
    return reachability.state === "closed" ? this.#breaker : reachability;
  }

  /** True when a new gate would be equivalent. */
  get isIdle(): boolean {
    const breaker = this.#breaker;
    return this.#inFlight === 0 && breaker.state === "closed" && breaker.failuresInRow === 0;
  }

  /** Lets the visitor start one item, which it settles later, or calls it when its turn comes. */
  admit(visitor: GateClient, nowMs: number): boolean {
    const isItsTurn = this.#atTurn === visitor;
    if (!((isItsTurn || this.#waiting.size === 0) && this.#hasRoom(nowMs))) {
      this.#waiting.add(visitor);
      this.#waitForTime(nowMs);
      return false;
    }
    this.#atTurn = null;
    if (!this.#options.origin.admit(this, visitor, nowMs)) return false;
    this.#options.share?.begin();
    this.#inFlight += 1;
    this.#isProbing = this.#breaker !== BREAKER_CLOSED && this.#breaker.state === "half_open";
    return true;
  }

  /**
   * Records the end of an admitted item. One that never reached the origin says nothing about it.
   */
  settle(verdict: LaneVerdict): void {
    this.#options.share?.end();
    this.#inFlight -= 1;
    this.#isProbing = false;
    const reach = reachOf(verdict);
    if (verdict.kind === "faulty") this.#onFault(reach === "unreachable");
    else if (hasReached(verdict) && this.#breaker !== BREAKER_CLOSED) this.#become(afterSuccess());
    this.#options.origin.leave(this, reach);
    if (this.#waiting.size > 0) this.#serve();
  }

  /** Another project got a response from the origin, which this project could not reach. */
  reached(): void {
    this.#become(afterSuccess());
    if (this.#waiting.size > 0) this.#serve();
  }

  /** Lets the next probe through now, before its time. */
  probeNow(): void {
    const breaker = this.#breaker;
    if (breaker.state === "open") this.#become(afterTime(breaker, breaker.untilMs));
    this.#timer?.cancel();
    this.#timer = null;
    this.#options.origin.probeNow();
    if (this.#waiting.size > 0) this.#serve();
  }

  /** Reports the state of its lanes if it has changed. */
  reportBreaker(): void {
    const { breaker } = this;
    if (breaker.state === this.#reported) return;
    this.#reported = breaker.state;
    this.#options.onBreaker?.(breaker);
  }

  #onFault(isUnreached: boolean): void {
    const { clock } = this.#runtime;
    const { breaker: limits } = this.#options;
    if (limits === null) return;
    const isFirst = this.#breaker.state === "closed" && this.#breaker.failuresInRow === 0;
    this.#isUnreached = isUnreached && (isFirst || this.#isUnreached);
    this.#become(afterFailure(this.#breaker, limits, clock.monotonic()));
  }

  #become(breaker: Breaker): void {
    this.#breaker = breaker;
    const isUnreached = breaker.state !== "closed" && this.#isUnreached;
    this.#options.origin.setUnreached(this, isUnreached);
    this.reportBreaker();
  }

  /** A project may have as many requests in progress as are left for others. */
  #hasRoom(nowMs: number): boolean {
    if (this.#breaker.state === "open") this.#become(afterTime(this.#breaker, nowMs));
    switch (this.#breaker.state) {
      case "closed": {
        const { origin, share } = this.#options;
        // When none is left, it waits for its turn among the projects.
        const hasFree = origin.free === 0 || this.#inFlight < origin.free;
        return hasFree && (share === undefined || share.mayBegin(nowMs));
      }
      case "half_open":
        return !this.#isProbing;
      case "open":
        return false;
    }
  }

  /** Gives turns while there is room and clients wait. */
  #serve(): void {
    const nowMs = this.#runtime.clock.monotonic();
    while (this.#hasRoom(nowMs)) {
      const [visitor] = this.#waiting;
      if (visitor === undefined) return;
      this.#waiting.delete(visitor);
      this.#atTurn = visitor;
      visitor.takeTurn();
      this.#atTurn = null;
    }
    this.#waitForTime(nowMs);
  }

  /**
   * Serves clients that wait for a time: for the breaker's next probe, or for the project's share.
   */
  #waitForTime(nowMs: number): void {
    if (this.#timer !== null || this.#waiting.size === 0) return;
    const { clock } = this.#runtime;
    const { share } = this.#options;
    const breaker = this.#breaker;
    let untilMs = Infinity;
    if (breaker.state === "open") untilMs = breaker.untilMs;
    else if (share?.mayBegin(nowMs) === false) untilMs = share.nextAtMs(nowMs);
    if (untilMs === Infinity) return;
    this.#timer = clock.setTimer(untilMs - nowMs, () => {
      this.#timer = null;
      this.#serve();
    });
  }
}
