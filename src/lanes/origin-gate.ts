import {
  afterFailure,
  afterSuccess,
  afterTime,
  BREAKER_CLOSED,
  type Breaker,
  type BreakerLimits,
} from "../core/breaker.ts";
import type { LaneVerdict } from "../core/job.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { Turns } from "./turns.ts";

export interface OriginGateOptions {
  readonly clock: Clock;
  /** Requests under way to the origin at once, of all its lanes. */
  readonly concurrency: number;
  /** null for a gate that no fault closes. */
  readonly breaker: BreakerLimits | null;
  /** Told when the breaker opens, lets a probe through, and closes. */
  readonly onBreaker?: (breaker: Breaker) => void;
}

/** A lane as the gate knows it. */
export interface GateVisitor {
  /** Lanes of a group share its turns: a project's, for one. */
  readonly group: string;
  /** Its turn has come: `admit` lets it start one item now. */
  takeTurn(): void;
}

/**
 * What all lanes to one origin have in common: the breaker, and how many requests may be under way.
 * A lane asks before each start. When the origin is what is short, lanes wait and take turns, so
 * that a lane with many jobs gets no more of it than one with few; a probe is somebody's turn too.
 */
export class OriginGate {
  readonly #options: OriginGateOptions;
  readonly #turns = new Turns<GateVisitor>();
  #breaker: Breaker = BREAKER_CLOSED;
  #inFlight = 0;
  #isProbing = false;
  /** Whose turn it is just now. */
  #atTurn: GateVisitor | null = null;
  #timer: Timer | null = null;

  constructor(options: OriginGateOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get breaker(): Breaker {
    return this.#breaker;
  }

  /** Whether a new gate would do as well. */
  get isAtRest(): boolean {
    const breaker = this.#breaker;
    return this.#inFlight === 0 && breaker.state === "closed" && breaker.failuresInRow === 0;
  }

  /** Lets the visitor start one item, which it settles later, or calls it when its turn comes. */
  admit(visitor: GateVisitor, nowMs: number): boolean {
    const isItsTurn = this.#atTurn === visitor;
    if ((isItsTurn || this.#turns.isEmpty) && this.#hasRoom(nowMs)) {
      this.#atTurn = null;
      this.#inFlight += 1;
      this.#isProbing = this.#breaker !== BREAKER_CLOSED && this.#breaker.state === "half_open";
      return true;
    }
    this.#turns.add(visitor.group, visitor);
    this.#waitForProbe(nowMs);
    return false;
  }

  /** An item that was admitted is over. One that never got to the origin says nothing about it. */
  settle(outcome: LaneVerdict["kind"]): void {
    this.#inFlight -= 1;
    this.#isProbing = false;
    if (outcome === "faulty") this.#onFault();
    else if (outcome !== "inconclusive" && this.#breaker !== BREAKER_CLOSED) {
      this.#become(afterSuccess());
    }
    if (!this.#turns.isEmpty) this.#serve();
  }

  #onFault(): void {
    const { breaker, clock } = this.#options;
    if (breaker !== null) this.#become(afterFailure(this.#breaker, breaker, clock.monotonic()));
  }

  #become(breaker: Breaker): void {
    const isNews = breaker.state !== this.#breaker.state;
    this.#breaker = breaker;
    if (isNews) this.#options.onBreaker?.(breaker);
  }

  #hasRoom(nowMs: number): boolean {
    if (this.#breaker.state === "open") this.#become(afterTime(this.#breaker, nowMs));
    switch (this.#breaker.state) {
      case "closed":
        return this.#inFlight < this.#options.concurrency;
      case "half_open":
        return !this.#isProbing;
      case "open":
        return false;
    }
  }

  /** Gives turns for as long as there is room and somebody waits. */
  #serve(): void {
    const nowMs = this.#options.clock.monotonic();
    while (this.#hasRoom(nowMs)) {
      const visitor = this.#turns.take();
      if (visitor === null) return;
      this.#atTurn = visitor;
      visitor.takeTurn();
      this.#atTurn = null;
    }
    this.#waitForProbe(nowMs);
  }

  /** Sees to it that whoever waits before an open breaker is served when it lets a probe through. */
  #waitForProbe(nowMs: number): void {
    if (this.#breaker.state !== "open" || this.#timer !== null || this.#turns.isEmpty) return;
    this.#timer = this.#options.clock.setTimer(this.#breaker.untilMs - nowMs, () => {
      this.#timer = null;
      this.#serve();
    });
  }
}
