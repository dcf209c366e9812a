import {
  afterFailure,
  afterSuccess,
  afterTime,
  BREAKER_CLOSED,
  type Breaker,
  type BreakerLimits,
} from "../core/pace/breaker.ts";
import type { Reach } from "../core/request-failure.ts";
import type { Timer } from "../runtime/clock.ts";
import { type GateClient, OriginGate, type SharedOrigin, type WorkShare } from "./origin-gate.ts";
import { Turns } from "./turns.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface OriginOptions {
  /** Requests in progress at once, of all projects. One project may have half of them. */
  readonly concurrency: number;
  /** The breaker of the origin and of each project's gate; null for an origin that no fault closes. */
  readonly breaker: BreakerLimits | null;
  /** Another resource that the requests of a project share. */
  readonly shareOf?: (projectId: string) => WorkShare;
  /** Called when what holds for a project's lanes opens, lets a probe through, and closes. */
  readonly onBreaker?: (projectId: string, breaker: Breaker) => void;
}

/** One project that can't reach an origin proves nothing to the others. */
const UNREACHED_PROJECTS_MIN = 2;

/**
 * An origin as all projects know it. They share two things only:
 *
 * - how many requests may be in progress. A project may have as many as are left free, so whatever
 *   some of them do, there is room for others; where there is none left, projects take turns;
 * - whether it can be reached. Failures of TCP and TLS don't depend on what a project asks for, so
 *   when several projects have met them and none was answered, one probe is made for all of them,
 *   and the first answer ends it for all of them.
 *
 * All else that a project meets closes its own gate.
 */
export class Origin implements SharedOrigin {
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #options: OriginOptions;
  readonly #gates = new Map<string, OriginGate>();
  readonly #turns = new Turns<GateClient>();
  #reachability: Breaker = BREAKER_CLOSED;
  /** Projects that failed to reach it since the last answer, as many as count. */
  readonly #unreachedBy = new Set<string>();
  /** Gates that are closed only because their projects could not reach it. */
  readonly #unreached = new Set<OriginGate>();
  #inFlight = 0;
  /** The gate whose request is the probe for all. */
  #probing: OriginGate | null = null;
  #atTurn: GateClient | null = null;
  #timer: Timer | null = null;

  constructor(runtime: Pick<Runtime, "clock">, options: OriginOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get free(): number {
    return this.#options.concurrency - this.#inFlight;
  }

  get reachability(): Breaker {
    return this.#reachability;
  }

  /** Whether a new one would do as well, but for its gates. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#reachability === BREAKER_CLOSED;
  }

  gates(): Iterable<OriginGate> {
    return this.#gates.values();
  }

  /** The project's way to the origin. */
  gateOf(projectId: string): OriginGate {
    const known = this.#gates.get(projectId);
    if (known !== undefined) return known;
    const { breaker, shareOf, onBreaker } = this.#options;
    const gate = new OriginGate(this.#runtime, {
      projectId,
      origin: this,
      breaker,
      share: shareOf?.(projectId),
      onBreaker: (state) => onBreaker?.(projectId, state),
    });
    this.#gates.set(projectId, gate);
    return gate;
  }

  /** Forgets the project's gate, of which nothing is in progress. */
  forget(projectId: string): void {
    const gate = this.#gates.get(projectId);
    if (gate !== undefined) this.#unreached.delete(gate);
    this.#gates.delete(projectId);
  }

  admit(gate: OriginGate, visitor: GateClient, nowMs: number): boolean {
    const isItsTurn = this.#atTurn === visitor;
    if ((isItsTurn || this.#turns.isEmpty) && this.#hasRoom(nowMs)) {
      this.#atTurn = null;
      this.#inFlight += 1;
      if (this.#reachability.state === "half_open") this.#probing = gate;
      return true;
    }
    this.#turns.add(gate.projectId, visitor);
    this.#waitForProbe(nowMs);
    return false;
  }

  leave(gate: OriginGate, reach: Reach): void {
    this.#inFlight -= 1;
    if (this.#probing === gate) this.#probing = null;
    switch (reach) {
      case "answered":
        if (this.#reachability !== BREAKER_CLOSED || this.#unreached.size > 0) this.#onAnswer();
        break;
      case "unreachable":
        this.#onUnreachable(gate);
        break;
      case "unknown":
        break;
    }
    if (!this.#turns.isEmpty) this.#serve();
  }

  setUnreached(gate: OriginGate, isUnreached: boolean): void {
    if (isUnreached) this.#unreached.add(gate);
    else this.#unreached.delete(gate);
  }

  probeNow(): void {
    const reachability = this.#reachability;
    if (reachability.state !== "open") return;
    this.#become(afterTime(reachability, reachability.untilMs));
    this.#timer?.cancel();
    this.#timer = null;
    if (!this.#turns.isEmpty) this.#serve();
  }

  #onAnswer(): void {
    this.#unreachedBy.clear();
    this.#become(afterSuccess());
    for (const gate of this.#unreached) gate.reached();
  }

  #onUnreachable(gate: OriginGate): void {
    const { clock } = this.#runtime;
    const { breaker } = this.#options;
    if (breaker === null) return;
    if (this.#unreachedBy.size < UNREACHED_PROJECTS_MIN) this.#unreachedBy.add(gate.projectId);
    const isAlone = this.#unreachedBy.size < UNREACHED_PROJECTS_MIN;
    const limits = isAlone ? { ...breaker, failuresInRowMax: Infinity } : breaker;
    this.#become(afterFailure(this.#reachability, limits, clock.monotonic()));
  }

  #become(breaker: Breaker): void {
    const isNews = breaker.state !== this.#reachability.state;
    this.#reachability = breaker;
    if (isNews) for (const gate of this.#gates.values()) gate.tell();
  }

  #hasRoom(nowMs: number): boolean {
    if (this.#reachability.state === "open") this.#become(afterTime(this.#reachability, nowMs));
    switch (this.#reachability.state) {
      case "closed":
        return this.#inFlight < this.#options.concurrency;
      case "half_open":
        return this.#probing === null;
      case "open":
        return false;
    }
  }

  /** Gives turns for as long as there is room and somebody waits. */
  #serve(): void {
    const nowMs = this.#runtime.clock.monotonic();
    while (this.#hasRoom(nowMs)) {
      const visitor = this.#turns.take();
      if (visitor === null) return;
      this.#atTurn = visitor;
      visitor.takeTurn();
      this.#atTurn = null;
    }
    this.#waitForProbe(nowMs);
  }

  /** Serves whoever waits before an origin out of reach when the next probe is due. */
  #waitForProbe(nowMs: number): void {
    const { state } = this.#reachability;
    if (state !== "open" || this.#timer !== null || this.#turns.isEmpty) return;
    this.#timer = this.#runtime.clock.setTimer(this.#reachability.untilMs - nowMs, () => {
      this.#timer = null;
      this.#serve();
    });
  }
}
