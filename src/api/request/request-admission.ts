import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { EqualShares } from "../../lanes/shares/equal-shares.ts";
import type { LoopCrowd } from "../../lanes/shares/loop-crowd.ts";
import { LoopTurns } from "../../lanes/shares/loop-turns.ts";
import type { Clock } from "../../runtime/clock.ts";
import { refused } from "../http/problem.ts";
import type { Refusal } from "../../core/problem.ts";
import { AddressRates } from "./address-rates.ts";
import { addressGroup } from "./client-address.ts";
import { RequestRates, type RateVerdict } from "./request-rates.ts";

/** Requests that begin in one turn of the event loop; each takes some 50 µs. */
const BEGUN_PER_TURN_MAX = 16;
/**
 * Requests of each project in a millisecond, however busy the event loop is: 250 a second take about a hundredth of it.
 * Turns of a busy loop may be long, and one request in each would be a few dozen a second.
 */
const BEGUN_EACH_PER_MS = 0.25;
/**
 * Reading large bodies takes a third of the event loop at most while several projects are at work: a body of
 * a MiB may take a tenth of a second, and a request of another project needs several turns of the loop.
 */
const READING_REST_FACTOR = 2;
/** Answers that need no key, to one address: far more than health checks ask for, and a fiftieth of the event loop. */
const OPEN_ANSWERS = { perSecond: 200, burst: 1_000 };
/** Those of them that take milliseconds: a browser needs three for the documentation, a scrape one. */
const COSTLY_ANSWERS = { perSecond: 5, burst: 60 };
/** How long a refusal is held back: a client that waits for it sends no more than four a second. */
const REFUSAL_HELD_MS = 250;
/** Refusals held back at once; of one project or address as many as are left to others. */
const REFUSALS_HELD_MAX = 4_000;

/**
 * Decides when a request may begin, whichever way it comes in: within the rate of its project, and in
 * its project's turn of the event loop. Refusals of a flood are held back for a moment, since most
 * floods wait for answers, and refusing thousands of requests a second takes the time of others too.
 */
export class RequestAdmission {
  readonly #clock: Clock;
  readonly #refusalHeldMs: number;
  readonly #rates: RequestRates;
  readonly #turns: LoopTurns;
  /** One at a time: it may take as long as hundreds of small requests. */
  readonly #readingTurns: LoopTurns;
  readonly #held = new EqualShares("refusals_held", REFUSALS_HELD_MAX);
  readonly #openAnswers = new AddressRates(OPEN_ANSWERS);
  readonly #costlyAnswers = new AddressRates(COSTLY_ANSWERS);

  constructor(
    limits: ProjectLimits,
    clock: Clock,
    options: {
      /** How long refusals are held back, if not as usual. */
      readonly refusalHeldMs?: number;
      /** The projects whose work shares the event loop. */
      readonly crowd?: LoopCrowd;
    } = {},
  ) {
    this.#clock = clock;
    this.#refusalHeldMs = options.refusalHeldMs ?? REFUSAL_HELD_MS;
    this.#turns = new LoopTurns({
      resource: "requests",
      begunPerTurnMax: BEGUN_PER_TURN_MAX,
      guaranteedPerMs: BEGUN_EACH_PER_MS,
      crowd: options.crowd,
    });
    this.#readingTurns = new LoopTurns({
      resource: "request_reading",
      begunPerTurnMax: 1,
      ...(options.crowd && { rest: { crowd: options.crowd, factor: READING_REST_FACTOR } }),
    });
    this.#rates = new RequestRates(limits, clock);
  }

  /** Requests that wait for their project's turn of the event loop. */
  get requestsWaiting(): number {
    return this.#turns.waiting;
  }

  /** Counts a request of the project, and gives its verdict once it may begin, or be refused. */
  admit(projectId: string): RateVerdict | Promise<RateVerdict> {
    const verdict = this.#rates.take(projectId);
    if (verdict.refusal !== null) return this.#holdBack(projectId, verdict);
    const turn = this.#turns.begin(projectId);
    return turn === null ? verdict : turn.then(() => verdict);
  }

  /**
   * Waits for the project's turn to read a large body that has come, or do other work of some
   * milliseconds: others' requests, polls and callbacks come in between. Null when it may begin now.
   */
  beginReading(projectId: string): Promise<void> | null {
    return this.#readingTurns.begin(projectId);
  }

  /** Delays the responses to an address that has sent too many refused keys. */
  holdBackFrom<Held>(address: string, refusal: Held): Promise<Held> {
    return this.#holdBack(groupOf(address), refusal);
  }

  /**
   * Counts a request that needs no key. Beyond its rate an address is answered later, but never
   * refused: a cheap answer costs no more than a refusal, and a health check must not fail because
   * others share its address. Null when it may be answered now.
   */
  admitOpen(address: string): Promise<void> | null {
    const waitMs = this.#openAnswers.take(address, this.#clock.monotonic());
    return waitMs === 0 ? null : this.#holdBack(groupOf(address), undefined);
  }

  /** The same for an answer that costs far more than a refusal. @returns the refusal, if any */
  async admitCostly(address: string): Promise<Refusal | null> {
    const waitMs = this.#costlyAnswers.take(address, this.#clock.monotonic());
    return waitMs === 0 ? null : this.#holdBack(groupOf(address), tooManyCostly(waitMs));
  }

  async #holdBack<Held>(group: string, refusal: Held): Promise<Held> {
    if (this.#refusalHeldMs === 0 || !this.#held.tryTake(group)) return refusal;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#clock.setTimer(this.#refusalHeldMs, resolve);
    await promise;
    this.#held.giveBack(group);
    return refusal;
  }
}

function groupOf(address: string): string {
  return `address ${addressGroup(address)}`;
}

function tooManyCostly(waitMs: number): Refusal {
  return refused(
    "too_many_requests",
    "Too many requests of this address for something that takes long to send; ask for it less often.",
    { headers: { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1000))) } },
  );
}
