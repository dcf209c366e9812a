import FlatQueue from "flatqueue";
import type { LaneVerdict } from "../core/job/job.ts";
import type { LaneHold, LaneStatus } from "../core/waiting/lane-status.ts";
import { fromMonotonic, type Timer } from "../runtime/clock.ts";
import { countDue, type LaneLoad } from "./lane-load.ts";
import type { GateClient, OriginGate } from "./origin-gate.ts";
import type { LaneLimits, LaneOptions } from "./lane-options.ts";
import { RateLimit } from "./rate-limit.ts";
import type { Runtime } from "../runtime/runtime.ts";

/*
 * The queue in front of one upstream connection or one callback origin. Items wait until they are
 * due; then they start in the order they fell due, as far as the lane's limits allow:
 *
 *   due? ── paused? ── concurrency? ── rate? ── origin? ──▶ start(item) … settle(verdict)
 *
 * All times here are the monotonic clock's.
 * A failing lane holds back its own items only; what the lanes to one origin share is the
 * origin's gate. One timer a lane, for the earliest moment at which something could start.
 *
 * When the upstream refuses requests because of their rate, the lane pauses, for as long as the
 * answer asks or for longer each time, and its rate is lowered. After the pause one item goes ahead
 * to see whether requests pass again; only then do the others follow.
 */

const NOTHING: readonly never[] = [];

/** Items that are due for less than this are not considered held up. */
const HELD_UP_MS = 1000;
const PAUSE_MS_INITIAL = 1000;
const PAUSE_MS_MAX = 60_000;

export class Lane<Item> implements GateClient {
  readonly #runtime: Pick<Runtime, "clock" | "random">;
  readonly #options: LaneOptions<Item>;
  readonly #queue = new FlatQueue<Item>();
  /** Items that start before those that are due, in the order of arrival. */
  readonly #ahead = new Set<Item>();
  readonly #pace: RateLimit;
  #limits: LaneLimits;
  #share = 1;
  #concurrency: number;
  #gate: OriginGate;
  #inFlight = 0;
  #hold: LaneHold | null = null;
  #timer: Timer | null = null;
  #timerAtMs = Infinity;
  #isPumping = false;
  #isClosed = false;

  #pausedUntilMs = 0;
  /** One item may start although the lane is paused. */
  #hasPass = false;
  #refusedUntilMs = 0;
  #refusalsInRow = 0;
  /** Nothing has passed since a refusal, so only one item at a time may start. */
  #isProbing = false;
  #isProbeOut = false;
  /** True when one of the refusals was because of the rate. */
  #isRateRefused = false;

  /*
   * Every item knows the generation of the lane in which it started. A refusal of an item that
   * started before the last refusal adds no information; an item that passed another gate is
   * settled there.
   */
  #generation = 0;
  #generationOfRefusal = 0;
  #formerGates: readonly { readonly gate: OriginGate; readonly lastGeneration: number }[] = [];

  constructor(runtime: Pick<Runtime, "clock" | "random">, options: LaneOptions<Item>) {
    this.#runtime = runtime;
    this.#options = options;
    this.#limits = options.limits;
    this.#concurrency = options.limits.concurrency;
    this.#gate = options.gate;
    this.#pace = new RateLimit(options.limits, runtime.clock.monotonic());
  }

  /** Where its items start from now on. */
  get gate(): OriginGate {
    return this.#gate;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Number of waiting entries, including those that are no longer current. */
  get queued(): number {
    return this.#queue.length + this.#ahead.size;
  }

  /** How many of its items may be in progress at the same time on this node. */
  get concurrency(): number {
    return this.#concurrency;
  }

  /** The configured or learned rate of all nodes together, as far as this one knows; null for no limit. */
  get perSecondOfAll(): number | null {
    return this.#pace.perSecondOfAll;
  }

  /** Infinity for a pause that is lifted by hand. */
  get pausedUntilMs(): number {
    return Math.max(this.#pausedUntilMs, this.#refusedUntilMs);
  }

  /** The load of the lane. Scans all due items, so call it for display, not for every poll. */
  load(): LaneLoad {
    const nowMs = this.#runtime.clock.monotonic();
    const due = countDue(this.#queue, nowMs, this.#options.isCurrent);
    const waiting = due.waiting + this.#ahead.size;
    const status = this.#status(nowMs);
    return {
      ...status,
      inFlight: this.#inFlight,
      waiting,
      behindMs: nowMs - due.oldestDueAtMs,
      requestsPerSecond: this.#pace.perSecond,
      hold: waiting === 0 ? null : status.hold,
    };
  }

  /** True when its items have been held up for more than a moment. Looks at the first item only. */
  get isHeldUp(): boolean {
    const nowMs = this.#runtime.clock.monotonic();
    const isPaused = this.pausedUntilMs > nowMs && this.pausedUntilMs !== Infinity;
    if (isPaused || this.#gate.breaker.state !== "closed") return true;
    const dueAtMs = this.#queue.peekValue();
    return dueAtMs !== undefined && nowMs - dueAtMs > HELD_UP_MS;
  }

  /** The reason why it waits. Counts nothing, so it costs the same for any length of the queue. */
  status(): LaneStatus {
    const nowMs = this.#runtime.clock.monotonic();
    const dueAtMs = this.#ahead.size > 0 ? nowMs : this.#queue.peekValue();
    const status = this.#status(nowMs);
    return dueAtMs !== undefined && dueAtMs <= nowMs ? status : { ...status, hold: null };
  }

  #status(nowMs: number): LaneStatus {
    const { clock } = this.#runtime;
    const isPaused = this.pausedUntilMs > nowMs && this.pausedUntilMs !== Infinity;
    // While nothing may start, no one else counts newly due items.
    const waitsForRate = this.#pace.nextAtMs(nowMs) > nowMs;
    const { breaker } = this.#gate;
    return {
      hold: this.#ownHold(nowMs) ?? (waitsForRate ? "rate" : this.#hold),
      pausedUntilMs: isPaused ? fromMonotonic(clock, this.pausedUntilMs) : null,
      pauseCause: isPaused ? (this.#isRateRefused ? "rate" : "unsent") : null,
      breaker: breaker.state,
      probeAtMs: breaker.state === "open" ? fromMonotonic(clock, breaker.untilMs) : null,
    };
  }

  /**
   * Starts one item now although refusals pause the lane, because a person expects it to succeed.
   */
  probeNow(): void {
    this.#refusedUntilMs = 0;
    this.#gate.probeNow();
    this.#pump();
  }

  /** True when a new lane would be equivalent: nothing is in progress, and nothing was learned. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && !this.#isProbing && this.#pace.isUnlimited;
  }

  push(item: Item, dueAtMs: number): void {
    this.#queue.push(item, dueAtMs);
    if (this.#isPumping || this.#isClosed) return;
    // The common case, an item that is not due, costs a comparison and sometimes a timer.
    if (dueAtMs <= this.#runtime.clock.monotonic()) this.#pump();
    else if (dueAtMs < this.#timerAtMs && this.#inFlight < this.#concurrency) this.#arm();
  }

  /**
   * Takes a place for work that starts now, before all items that wait: its generation, to settle it with; null when the
   * limits don't allow it.
   */
  beginNow(): number | null {
    if (this.#isPumping || this.#isClosed || this.#ahead.size > 0) return null;
    this.#hold = this.#findHold(this.#runtime.clock.monotonic());
    return this.#hold === null ? this.#count() : null;
  }

  /** Starts the item as soon as the limits allow, before all due items. Each may wait once. */
  pushAhead(item: Item): void {
    this.#ahead.add(item);
    this.#pump();
  }

  /** Ends the wait of an item of {@link pushAhead}. */
  withdraw(item: Item): void {
    this.#ahead.delete(item);
  }

  /**
   * Records the end of an item's work. @param generation in which it started; the present one by
   * default
   */
  settle(verdict: LaneVerdict, generation = this.#generation): void {
    this.#inFlight -= 1;
    this.#learn(verdict, generation >= this.#generationOfRefusal);
    this.#gateOf(generation).settle(verdict);
    this.#pump();
  }

  /** An item made more requests than the one that it had its turn for. */
  charge(requests: number): void {
    for (let one = 0; one < requests; one += 1) this.#pace.take();
  }

  /** Starts nothing before `untilMs`; Infinity pauses until {@link resume}. */
  pause(untilMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs);
    this.#pump();
  }

  /**
   * Lets one item start although the lane is paused, to see whether the cause of the pause is
   * fixed.
   */
  letOnePass(): void {
    this.#hasPass = true;
    this.#pump();
  }

  /** Lifts every pause from `atMs` on, since the cause was fixed. */
  resume(atMs = 0): void {
    this.#pausedUntilMs = atMs;
    this.#hasPass = false;
    this.#refusedUntilMs = 0;
    this.#refusalsInRow = 0;
    this.#pump();
  }

  configure(limits: LaneLimits): void {
    this.#limits = limits;
    this.#concurrency = Math.max(1, Math.floor(limits.concurrency * this.#share));
    this.#pace.configure(limits, this.#share, this.#runtime.clock.monotonic());
    this.#pump();
  }

  /** Sets this node's share of the limits. */
  setShare(share: number): void {
    if (share === this.#share) return;
    this.#share = share;
    this.configure(this.#limits);
  }

  /** Uses another gate from now on. */
  moveTo(gate: OriginGate): void {
    if (gate === this.#gate) return;
    // Gates without items in progress are dropped at the next move.
    const former = { gate: this.#gate, lastGeneration: this.#generation };
    this.#formerGates = this.#inFlight === 0 ? [] : [...this.#formerGates, former];
    this.#generation += 1;
    this.#gate = gate;
    this.#pump();
  }

  /** Removes everything that waits. */
  clear(): void {
    this.#queue.clear();
    this.#ahead.clear();
  }

  /** Starts nothing more; items in progress still settle. */
  close(): void {
    this.#isClosed = true;
    this.#queue.clear();
    this.#ahead.clear();
    this.#timer?.cancel();
    this.#timer = null;
  }

  takeTurn(): void {
    this.#pump();
  }

  #pump(): void {
    if (this.#isPumping || this.#isClosed) return;
    this.#isPumping = true;
    let mayStartMore = true;
    while (mayStartMore) mayStartMore = this.#startNext(this.#runtime.clock.monotonic());
    this.#isPumping = false;
    this.#arm();
  }

  /** Starts the item that has been due longest; false when none may start now. */
  #startNext(nowMs: number): boolean {
    this.#hold = null;
    const [ahead] = this.#ahead.size === 0 ? NOTHING : this.#ahead;
    if (ahead !== undefined) return this.#startAhead(ahead, nowMs);
    const dueAtMs = this.#queue.peekValue();
    if (dueAtMs === undefined || dueAtMs > nowMs) return false;
    const item = this.#queue.peek();
    if (item === undefined) return false;
    if (!this.#options.isCurrent(item, dueAtMs)) {
      this.#queue.pop();
      return true;
    }
    this.#hold = this.#findHold(nowMs);
    if (this.#hold !== null) return false;
    this.#queue.pop();
    this.#start(item);
    return true;
  }

  #startAhead(item: Item, nowMs: number): boolean {
    this.#hold = this.#findHold(nowMs);
    if (this.#hold !== null) return false;
    this.#ahead.delete(item);
    this.#start(item);
    return true;
  }

  #start(item: Item): void {
    this.#options.start(item, this.#count());
  }

  /** Counts one more in progress. Returns its generation. */
  #count(): number {
    this.#pace.take();
    this.#inFlight += 1;
    this.#isProbeOut = this.#isProbing;
    this.#hasPass = false;
    return this.#generation;
  }

  /**
   * The reason why the next item can't start now. The gate is asked last, because it counts what it
   * admits.
   */
  #findHold(nowMs: number): LaneHold | null {
    const own = this.#ownHold(nowMs);
    if (own !== null) return own;
    if (!this.#pace.has(nowMs)) return "rate";
    return this.#gate.admit(this, nowMs) ? null : "origin";
  }

  #ownHold(nowMs: number): LaneHold | null {
    if (this.#pausedUntilMs > nowMs && !this.#hasPass) return "pause";
    if (this.#refusedUntilMs > nowMs || this.#isProbeOut) return "refusal";
    return this.#inFlight >= this.#concurrency ? "concurrency" : null;
  }

  /** The gate that an item of this generation has passed. */
  #gateOf(generation: number): OriginGate {
    if (this.#formerGates.length === 0) return this.#gate;
    return (
      this.#formerGates.find(({ lastGeneration }) => generation <= lastGeneration)?.gate ??
      this.#gate
    );
  }

  /** @param isNews the item started after the last refusal */
  #learn(verdict: LaneVerdict, isNews: boolean): void {
    if (isNews) this.#isProbeOut = false;
    switch (verdict.kind) {
      case "healthy":
        this.#pace.passed();
        if (this.#isProbing && isNews) this.#resumeAfterRefusal();
        return;
      case "faulty":
      case "inconclusive":
        return;
      case "unsent":
        return this.#refuse({ retryAfterMs: null, isNews, isOfRate: false });
      case "rate_limited":
        this.#refuse({ retryAfterMs: verdict.retryAfterMs, isNews, isOfRate: true });
    }
  }

  /** Pauses, and lets one item go ahead after that. @param refusal whether it lowers the rate */
  #refuse({
    retryAfterMs,
    isNews,
    isOfRate,
  }: {
    readonly retryAfterMs: number | null;
    readonly isNews: boolean;
    readonly isOfRate: boolean;
  }): void {
    const nowMs = this.#runtime.clock.monotonic();
    if (isNews) this.#refusalsInRow += 1;
    // When the first probe is refused too, the pause that the upstream asked for is not reliable.
    const isGrowing = isNews && (retryAfterMs === null || this.#refusalsInRow > 1);
    const doublings = Math.min(10, this.#refusalsInRow - 1);
    const stepMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_INITIAL * 2 ** doublings);
    const growingMs = isGrowing ? stepMs * (isOfRate ? 1 : this.#unsentFactor()) : 0;
    const untilMs = nowMs + Math.max(growingMs, retryAfterMs ?? 0);
    this.#refusedUntilMs = Math.max(this.#refusedUntilMs, untilMs);
    if (!isNews) return;
    // A refused probe shows that the limit still applies, but adds nothing about the rate.
    if (isOfRate && !this.#isRateRefused) this.#pace.refused(nowMs);
    this.#isRateRefused ||= isOfRate;
    if (this.#isProbing) return;
    this.#isProbing = true;
    this.#generation += 1;
    this.#generationOfRefusal = this.#generation;
  }

  /**
   * Many lanes of a project may be unable to send for one cause, such as a silent name server. Their
   * pauses end at different times, so that they don't all begin again in one moment.
   */
  #unsentFactor(): number {
    return 1 + this.#runtime.random() / 2;
  }

  #resumeAfterRefusal(): void {
    this.#isProbing = false;
    this.#refusalsInRow = 0;
    if (this.#isRateRefused) this.#pace.resume(this.#runtime.clock.monotonic());
    this.#isRateRefused = false;
  }

  /** Sets the timer for the earliest moment at which the head of the queue could start. */
  #arm(): void {
    const dueAtMs = this.#ahead.size > 0 ? 0 : this.#queue.peekValue();
    if (dueAtMs === undefined || this.#isClosed) return;
    // The end of an item in progress, or the gate, calls again for these reasons.
    if (this.#hold === "origin" || this.#isProbeOut) return;
    if (this.#inFlight >= this.#concurrency) return;
    const { clock } = this.#runtime;
    const nowMs = clock.monotonic();
    const startAtMs = Math.max(
      dueAtMs,
      this.#hasPass ? 0 : this.#pausedUntilMs,
      this.#refusedUntilMs,
      this.#pace.nextAtMs(nowMs),
    );
    // An earlier timer is harmless: it checks again and re-arms.
    if (startAtMs === Infinity || startAtMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = startAtMs;
    this.#timer = clock.setTimer(startAtMs - nowMs, () => {
      this.#timer = null;
      this.#timerAtMs = Infinity;
      this.#pump();
    });
  }
}
