import { HEALTHY, INCONCLUSIVE, laneVerdict, type LaneVerdict } from "../core/job/job.ts";
import { reachOfFailure, type RequestFailure } from "../core/request-failure.ts";
import type { RelayedHead } from "../outbound/exchange/relayed-exchange.ts";
import { interpretAnswer } from "../providers/answer/interpret.ts";
import type { Provider } from "../providers/compile/provider.ts";
import type { Upstream } from "../polling/upstream/upstream.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { NO_SLOT, SlotSet, type Slotted } from "../runtime/slot-set.ts";
import { readableBody } from "./held-answer.ts";

/** After so long a request counts no longer against the concurrency that polls need. */
const HELD_MS_MAX = 2_000;
/** So much of a refusal is read for whether it is one of a rate limit. */
const REFUSAL_BYTES_MAX = 16 * 1024;
const REFUSALS_FROM = 400;

/** A connection, as far as its lane is concerned. */
type LaneOwner = Pick<Upstream, "takeTurnAhead"> & {
  readonly lane: Pick<Upstream["lane"], "concurrency" | "settle">;
};

interface Share {
  held: number;
  readonly waiting: Set<() => void>;
}

/** A request's place in the share of a lane. */
interface Place {
  readonly upstream: LaneOwner;
  readonly share: Share;
  readonly provider: Provider | null;
}

/** An answer that refuses a request, with the beginning of its body as it came. */
interface Refusal {
  readonly head: RelayedHead;
  readonly chunks: Buffer[];
  bytes: number;
}

/** A place in the lane of a connection, given back once. */
export class LaneTurn implements Slotted {
  slot = NO_SLOT;
  /** When the place is given back at the latest. */
  readonly heldUntilMs: number;
  readonly #clock: Pick<Clock, "now">;
  readonly #provider: Provider | null;
  readonly #end: (verdict: LaneVerdict) => void;
  #refusal: Refusal | null = null;
  #isOver = false;

  /** @param provider the definition by which refusals are read; null for those of another credential */
  constructor(
    clock: Pick<Clock, "now" | "monotonic">,
    provider: Provider | null,
    end: (verdict: LaneVerdict) => void,
  ) {
    this.#clock = clock;
    this.#provider = provider;
    this.#end = end;
    this.heldUntilMs = clock.monotonic() + HELD_MS_MAX;
  }

  /** The upstream has answered. Only the body may say why a request is refused. */
  answered(head: RelayedHead): void {
    if (head.status < REFUSALS_FROM || this.#provider === null) return this.#over(HEALTHY);
    this.#refusal = { head, chunks: [], bytes: 0 };
  }

  /** The next bytes of the answer's body. */
  received(chunk: Buffer): void {
    const refusal = this.#refusal;
    if (refusal === null || this.#isOver) return;
    refusal.chunks.push(chunk);
    refusal.bytes += chunk.length;
    if (refusal.bytes >= REFUSAL_BYTES_MAX) this.giveBack();
  }

  failed({ code }: RequestFailure): void {
    this.#over({ ...INCONCLUSIVE, reach: reachOfFailure(code) });
  }

  /** Whatever becomes of the request, it holds no place any more. */
  giveBack(): void {
    if (this.#isOver) return;
    const refusal = this.#refusal;
    this.#refusal = null;
    const provider = this.#provider;
    this.#over(
      refusal === null || provider === null ? INCONCLUSIVE : this.#verdictOn(refusal, provider),
    );
  }

  /** A rate limit applies to the polls of the connection too, and is read as it is from a poll. */
  #verdictOn(
    { head: { status, headers }, chunks, bytes }: Refusal,
    provider: Provider,
  ): LaneVerdict {
    const part = Buffer.concat(chunks, Math.min(bytes, REFUSAL_BYTES_MAX));
    const body = readableBody(headers, part, {
      isWhole: bytes < REFUSAL_BYTES_MAX,
      bytesMax: REFUSAL_BYTES_MAX,
    });
    const read = interpretAnswer(
      provider,
      { status, headers, body },
      { seenBefore: true, ageMs: 0, nowMs: this.#clock.now() },
    );
    return read.kind === "retry" && read.cause === "rate_limited" ? laneVerdict(read) : HEALTHY;
  }

  #over(verdict: LaneVerdict): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end(verdict);
  }
}

/**
 * The places that requests through the gateway take in the lanes of connections, within their limits
 * and before the polls, but never more than half of a lane at once: however many and slow they are,
 * polls go on.
 */
export class LaneTurns {
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #shares = new Map<LaneOwner, Share>();
  readonly #turns = new SlotSet<LaneTurn>();
  #timer: Timer | null = null;

  constructor(runtime: Pick<Runtime, "clock">) {
    this.#runtime = runtime;
  }

  /**
   * At once where one is free; null when none was in time.
   * @param provider the definition by which refusals are read; null for requests with another credential
   *   than the connection's, whose limits say nothing about its polls
   */
  take(
    upstream: LaneOwner,
    provider: Provider | null,
    waitMs: number,
  ): LaneTurn | null | Promise<LaneTurn | null> {
    const share = this.#shares.get(upstream) ?? { held: 0, waiting: new Set() };
    this.#shares.set(upstream, share);
    const place = { upstream, share, provider };
    if (share.held >= partOf(upstream)) return this.#takeLater(place, waitMs);
    share.held += 1;
    const generation = upstream.takeTurnAhead(waitMs);
    return generation instanceof Promise
      ? generation.then((given) => this.#begin(place, given))
      : this.#begin(place, generation);
  }

  async #takeLater(place: Place, waitMs: number): Promise<LaneTurn | null> {
    const { clock } = this.#runtime;
    const startedAtMs = clock.monotonic();
    if (!(await this.#wait(place.share, waitMs))) return null;
    const leftMs = waitMs - (clock.monotonic() - startedAtMs);
    return this.#begin(place, await place.upstream.takeTurnAhead(leftMs));
  }

  /** @param generation of the lane, null when it gave no turn */
  #begin({ upstream, share, provider }: Place, generation: number | null): LaneTurn | null {
    if (generation === null) {
      this.#release(upstream, share);
      return null;
    }
    const turn = new LaneTurn(this.#runtime.clock, provider, (verdict) => {
      this.#turns.delete(turn);
      this.#release(upstream, share);
      upstream.lane.settle(verdict, generation);
    });
    this.#turns.add(turn);
    if (this.#timer === null) this.#arm();
    return turn;
  }

  /** One timer for all turns: most end long before it would matter. */
  #arm(): void {
    const { clock } = this.#runtime;
    let firstMs = Infinity;
    for (const { heldUntilMs } of this.#turns.values()) firstMs = Math.min(firstMs, heldUntilMs);
    if (firstMs === Infinity) return;
    this.#timer = clock.setTimer(firstMs - clock.monotonic(), () => {
      const nowMs = clock.monotonic();
      for (const turn of this.#turns.values()) if (turn.heldUntilMs <= nowMs) turn.giveBack();
      this.#timer = null;
      this.#arm();
    });
  }

  /** Waits until one of the share is given on; false when none was in time. */
  #wait(share: Share, waitMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const proceed = (): void => {
      timer.cancel();
      resolve(true);
    };
    const timer = this.#runtime.clock.setTimer(waitMs, () => {
      share.waiting.delete(proceed);
      resolve(false);
    });
    share.waiting.add(proceed);
    return promise;
  }

  #release(upstream: LaneOwner, share: Share): void {
    share.held -= 1;
    const [next] = share.waiting;
    if (next !== undefined && share.held < partOf(upstream)) {
      share.waiting.delete(next);
      share.held += 1;
      next();
    }
    if (share.held === 0) this.#shares.delete(upstream);
  }
}

function partOf({ lane }: LaneOwner): number {
  return Math.max(1, Math.floor(lane.concurrency / 2));
}
