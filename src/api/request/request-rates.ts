import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { TokenBucket } from "../../lanes/token-bucket.ts";
import type { Clock } from "../../runtime/clock.ts";
import { limitRefusal } from "../http/limit-refusal.ts";
import type { Refusal } from "../../core/problem.ts";

/** Lets a project with a limit of one request a second still open a page that makes a few. */
const BURST_MIN = 10;
/**
 * A project whose limit is 0 is told to retry then, though nothing will change without the
 * operator.
 */
const RETRY_AFTER_S_MAX = 3_600;
const PER_SECOND_SHOWN_MS = 1_000;

/** A project's recent requests. */
interface Sent {
  readonly bucket: TokenBucket;
  perSecond: number;
  burst: number;
  /** Requests in the second that began at `sinceMs`, for display. */
  requests: number;
  sinceMs: number;
}

/** The verdict on a request: the fields for its response, and why it is refused, if it is. */
export interface RateVerdict {
  readonly fields: Readonly<Record<string, string>>;
  readonly refusal: Refusal | null;
}

/**
 * Limits how many requests a project may send to each node. A project that sends more is refused
 * before anything is read or looked up for it. The fields are those of
 * draft-ietf-httpapi-ratelimit-headers-10.
 */
export class RequestRates {
  readonly #limits: ProjectLimits;
  readonly #clock: Clock;
  readonly #projects = new Map<string, Sent>();

  constructor(limits: ProjectLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    limits.measuredBy("requests_per_second", (projectId) => this.#sentLately(projectId));
  }

  /** Counts a request of the project. */
  take(projectId: string): RateVerdict {
    const nowMs = this.#clock.monotonic();
    const sent = this.#sentBy(projectId, nowMs);
    const { bucket } = sent;
    if (sent.perSecond === 0 || !bucket.has(nowMs)) return this.#refuse(projectId, sent, nowMs);
    bucket.take();
    if (nowMs - sent.sinceMs >= PER_SECOND_SHOWN_MS) {
      sent.requests = 0;
      sent.sinceMs = nowMs;
    }
    sent.requests += 1;
    return { fields: { ratelimit: fieldOf(sent) }, refusal: null };
  }

  #sentBy(projectId: string, nowMs: number): Sent {
    const perSecond = this.#limits.allowed(projectId, "requests_per_second");
    const sent = this.#projects.get(projectId);
    if (sent?.perSecond === perSecond) return sent;
    const burst = Math.max(BURST_MIN, perSecond);
    if (sent === undefined) {
      const bucket = new TokenBucket(perSecond, burst, nowMs);
      const made = { bucket, perSecond, burst, requests: 0, sinceMs: nowMs };
      this.#projects.set(projectId, made);
      return made;
    }
    sent.bucket.configure(perSecond, burst, nowMs);
    sent.perSecond = perSecond;
    sent.burst = burst;
    return sent;
  }

  #refuse(projectId: string, sent: Sent, nowMs: number): RateVerdict {
    const { bucket, perSecond, burst } = sent;
    const waitMs = perSecond === 0 ? Infinity : bucket.nextTokenAtMs(nowMs) - nowMs;
    const refusal = limitRefusal(this.#limits, {
      projectId,
      name: "requests_per_second",
      code: "too_many_requests",
      detail:
        `The project may send ${perSecond} requests per second; send them more slowly, several ` +
        "subscriptions in one batch, or ask the operator for more.",
      retryAfterS: Math.min(Math.max(1, Math.ceil(waitMs / 1000)), RETRY_AFTER_S_MAX),
    });
    const windowS = perSecond === 0 ? RETRY_AFTER_S_MAX : Math.ceil(burst / perSecond);
    const policy = `"requests";q=${burst};w=${windowS}`;
    return { fields: { ratelimit: fieldOf(sent), "ratelimit-policy": policy }, refusal };
  }

  #sentLately(projectId: string): number {
    const sent = this.#projects.get(projectId);
    const isLately =
      sent !== undefined && this.#clock.monotonic() - sent.sinceMs < 2 * PER_SECOND_SHOWN_MS;
    return isLately ? sent.requests : 0;
  }
}

/** Requests that may follow at once, and the seconds until all of them may again. */
function fieldOf({ bucket, perSecond, burst }: Sent): string {
  if (perSecond === 0) return `"requests";r=0;t=${RETRY_AFTER_S_MAX}`;
  const left = Math.floor(bucket.tokens);
  const fullInS = Math.ceil((burst - left) / perSecond);
  return `"requests";r=${left};t=${fullInS}`;
}
