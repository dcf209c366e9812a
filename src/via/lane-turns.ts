import { HEALTHY, INCONCLUSIVE, type LaneVerdict } from "../core/job/job.ts";
import { BELIEVED_WAIT_MS_MAX, readRetryAfter } from "../core/job/retry-after.ts";
import { reachOfFailure, type RequestFailure } from "../core/request-failure.ts";
import type { RelayedHead } from "../outbound/exchange/relayed-exchange.ts";
import type { CompiledAnswers } from "../providers/compile/answers.ts";
import type { Upstream } from "../polling/upstream/upstream.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** After so long a request counts no longer against the concurrency that polls need. */
const HELD_MS_MAX = 2_000;
const TOO_MANY_REQUESTS = 429;

interface Share {
  held: number;
  readonly waiting: Set<() => void>;
}

/** How the upstream says when a rate limit ends, as its definition has it. */
type WaitHeaders = Pick<CompiledAnswers, "rateLimitResetHeaders" | "waitMsMax">;

const STANDARD_WAITS: WaitHeaders = {
  rateLimitResetHeaders: [],
  waitMsMax: BELIEVED_WAIT_MS_MAX,
};

/** A place in the lane of a connection, given back once. */
export class LaneTurn {
  readonly #end: (verdict: LaneVerdict) => void;
  readonly #waits: WaitHeaders;
  #isOver = false;

  constructor(end: (verdict: LaneVerdict) => void, waits: WaitHeaders) {
    this.#end = end;
    this.#waits = waits;
  }

  /** The upstream has answered; its refusals hold for the polls of the connection too. */
  answered({ status, headers }: RelayedHead, nowMs: number): void {
    if (status !== TOO_MANY_REQUESTS) return this.#over(HEALTHY);
    const { rateLimitResetHeaders: resetHeaders, waitMsMax: maxMs } = this.#waits;
    const retryAfterMs = readRetryAfter(headers, nowMs, { resetHeaders, maxMs })?.ms ?? null;
    this.#over({ kind: "rate_limited", retryAfterMs });
  }

  failed({ code }: RequestFailure): void {
    this.#over({ ...INCONCLUSIVE, reach: reachOfFailure(code) });
  }

  /** Whatever becomes of the request, it holds no place any more. */
  giveBack(): void {
    this.#over(INCONCLUSIVE);
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
  readonly #shares = new Map<Upstream, Share>();

  constructor(runtime: Pick<Runtime, "clock">) {
    this.#runtime = runtime;
  }

  /** Null when no place was free in time. */
  async take(upstream: Upstream, waitMs: number): Promise<LaneTurn | null> {
    const startedAtMs = this.#runtime.clock.monotonic();
    const share = this.#shares.get(upstream) ?? { held: 0, waiting: new Set() };
    this.#shares.set(upstream, share);
    if (share.held < partOf(upstream)) share.held += 1;
    else if (!(await this.#wait(share, waitMs))) return null;
    const leftMs = waitMs - (this.#runtime.clock.monotonic() - startedAtMs);
    const generation = await upstream.takeTurnAhead(leftMs);
    if (generation === null) {
      this.#release(upstream, share);
      return null;
    }
    const turn = new LaneTurn(
      (verdict) => {
        timer.cancel();
        this.#release(upstream, share);
        upstream.lane.settle(verdict, generation);
      },
      upstream.accessOf(null)?.provider.answers ?? STANDARD_WAITS,
    );
    const timer = this.#runtime.clock.setTimer(HELD_MS_MAX, () => turn.giveBack());
    return turn;
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

  #release(upstream: Upstream, share: Share): void {
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

function partOf({ lane }: Upstream): number {
  return Math.max(1, Math.floor(lane.concurrency / 2));
}
