import { resultReader } from "../receiver/result.ts";
import { List } from "./list.ts";
import type { Subscription } from "../api/models.ts";
import type { Ending, Job, NewSubscription, WatchOptions } from "./models.ts";
import { RingbackError } from "./ringback-error.ts";
import {
  ANSWER_MARGIN_MS,
  type CallOptions,
  path,
  type Received,
  type Transport,
} from "./transport.ts";

/** How long to wait for an ending. */
export interface WaitOptions {
  /** Rejects with `wait_timed_out` after that; unless given, waits until the job ends. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const SUBSCRIPTION_ID = /^sub_[0-9a-f]{32}$/;
/** Proxies cut a connection on which nothing happens for longer. */
const ASK_S_MAX = 50;
const RESULT_BYTES_MAX = 100 * 1024 * 1024;
const RESULT_TIMEOUT_MS = 60_000;

/** A subscription to a job, as the API takes it. */
export function subscriptionTo(job: Job, options: WatchOptions): Readonly<Record<string, unknown>> {
  const named = typeof job === "string" ? { job_id: job } : jobFields(job);
  const fields = Object.entries(options).map(([name, value]) => [snakeCase(name), value]);
  return { ...named, ...(Object.fromEntries(fields) as object) };
}

/** Only what names the job: an API may have answered with much more. */
function jobFields(job: Exclude<Job, string>): Readonly<Record<string, unknown>> {
  if ("job_id" in job) {
    const { job_id, provider, connection } = job;
    return {
      job_id,
      ...(provider !== undefined && { provider }),
      ...(connection !== undefined && { connection }),
    };
  }
  return { job_id: "jobId" in job ? job.jobId : job.id };
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The id of the subscription to wait for: its own, or of the newest one to the job. */
export async function subscriptionIdOf(
  target: Subscription | NewSubscription | Job,
  transport: Transport,
  options: CallOptions,
): Promise<string> {
  if (typeof target === "string" && SUBSCRIPTION_ID.test(target)) return target;
  if (typeof target === "object" && "id" in target && SUBSCRIPTION_ID.test(target.id))
    return target.id;
  const query = { ...subscriptionTo(target, {}), limit: 1 };
  const newest = new List<Subscription>(() =>
    transport.json({ method: "GET", path: "/v1/subscriptions", query }, options),
  );
  const [found] = await newest.toArray(1);
  if (found !== undefined) return found.id;
  const name = typeof target === "string" ? target : JSON.stringify(target);
  throw new RingbackError(`No subscription watches the job ${name}; call watch() first.`, {
    code: "not_watched",
  });
}

/**
 * Waits until the job of a subscription has ended, one long request after the other. A gateway that is
 * away for a while ends the wait only when there is no `timeoutMs`.
 */
export async function waitForEnding(
  id: string,
  transport: Transport,
  { timeoutMs, signal }: WaitOptions,
  sleep: (ms: number, signal: AbortSignal) => Promise<void>,
): Promise<Ending> {
  const over = new AbortController();
  const ended = new AbortController();
  const isOver = new RingbackError(
    `The job of ${id} had not ended after ${timeoutMs} ms. It is still watched: wait again, or longer.`,
    {
      code: "wait_timed_out",
    },
  );
  if (timeoutMs !== undefined) {
    void sleep(timeoutMs, ended.signal).then(
      () => over.abort(isOver),
      () => undefined,
    );
  }
  const onAbort = (): void => over.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    const patience = timeoutMs === undefined ? {} : { retries: Number.POSITIVE_INFINITY };
    for (;;) {
      const spec = {
        method: "GET",
        path: path`/v1/subscriptions/${id}/wait`,
        query: { timeout_s: ASK_S_MAX },
        timeoutMs: ASK_S_MAX * 1000 + ANSWER_MARGIN_MS,
        ...patience,
      } as const;
      const answer = await transport.send(spec, { signal: over.signal });
      if (answer.status !== 204) {
        return endingIn(answer, transport.parsed<Ending>(answer, spec, isEnding), transport);
      }
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    ended.abort();
  }
}

function isEnding(sent: Partial<Ending> | null): boolean {
  return typeof sent?.type === "string" && typeof sent.data === "object";
}

function endingIn({ text, headers }: Received, sent: Ending, { fetch }: Transport): Ending {
  const event = { ...sent, id: headers.get("webhook-id") ?? "", rawBody: text };
  if (event.type !== "job.completed") return event;
  const fetching = { fetch, resultBytesMax: RESULT_BYTES_MAX, resultTimeoutMs: RESULT_TIMEOUT_MS };
  return { ...event, ...resultReader(text, event.data, fetching) };
}
