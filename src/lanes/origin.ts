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
import type { SharedResource } from "./shares/shared-resources.ts";
import { Turns } from "./shares/turns.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface OriginOptions {
  readonly resource: SharedResource;
  /** Requests in progress at the same time, for all projects. One project may have half of them. */
  readonly concurrency: number;
  /** The breaker of the origin and of each project's gate; null for an origin without one. */
  readonly breaker: BreakerLimits | null;
  /** Another resource that a project's requests share. */
  readonly shareOf?: (projectId: string) => WorkShare;
  /** Called when the breaker for a project's lanes opens, lets a probe through, or closes. */
  readonly onBreaker?: (projectId: string, breaker: Breaker) => void;
}

/** One project that can't reach an origin is no evidence for the others. */
const UNREACHED_PROJECTS_MIN = 2;

/**
 * An origin, shared by all projects. They have two things in common:
 *
 * - how many requests may be in progress. A project may have as many as it leaves free, so there is
 *   always room for others; when none is left, projects take turns;
 * - whether it can be reached. Failures of TCP and TLS don't depend on the request, so when several
 *   projects have met them without any response in between, one probe is made for all of them, and
 *   the first response ends it for all of them.
 *
 * Everything else that a project experiences affects only its own gate.
 */
export class Origin implements SharedOrigin {
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #options: OriginOptions;
  readonly #gates = new Map<string, OriginGate>();
  readonly #turns: Turns<GateClient>;
  #reachability: Breaker = BREAKER_CLOSED;
  /** Projects that failed to reach it since the last response, up to the number that matters. */
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
    this.#turns = new Turns(options.resource);
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

  /** True when a new origin would be equivalent, apart from its gates. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#reachability === BREAKER_CLOSED;
  }

  gates(): Iterable<OriginGate> {
    return this.#gates.values();
  }

  /** The project's gate to the origin. */
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

  get gateCount(): number {
    return this.#gates.size;
  }

  /** Drops the project's gate, which has nothing in progress. */
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
    if (isNews) for (const gate of this.#gates.values()) gate.reportBreaker();
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

  /** Gives turns while there is room and gates wait. */
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

  /** Serves the gates that wait at an unreachable origin when the next probe is due. */
  #waitForProbe(nowMs: number): void {
    const { state } = this.#reachability;
    if (state !== "open" || this.#timer !== null || this.#turns.isEmpty) return;
    this.#timer = this.#runtime.clock.setTimer(this.#reachability.untilMs - nowMs, () => {
      this.#timer = null;
      this.#serve();
    });
  }
}
