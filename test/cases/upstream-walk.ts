import {
  ENDING_EVENT_TYPES,
  eventMask,
  WANTS_RESULT_FETCHED,
} from "../../src/core/delivery/event.ts";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import { builtInProviders } from "../support/providers.ts";
import type { Provider } from "../../src/providers/compile/provider.ts";
import { readDefinition } from "../../src/providers/compile/read-definition.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import type { LiveJob } from "../../src/store/jobs/load-jobs.ts";
import { startPoller } from "../polling/poller-harness.ts";

/** The hour at which every case begins, in seconds since 1970. */
export const NOW_S = Date.UTC(2026, 0, 1) / 1000;

/** An upstream's answer: 200 and JSON unless it says otherwise. */
export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** A text and bytes are sent as they are, anything else as JSON. */
  readonly body?: unknown;
}

interface ReceivedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | null;
}

/** One quirk of a real API: what is asked, what is answered, and what must come of it. */
export interface UpstreamCase {
  /** The guarantee. */
  readonly title: string;
  /** Public reports of people who met it. */
  readonly sources: readonly string[];
  /** Fields that replace those of {@link BASE}, or the name of a built-in definition. */
  readonly definition: Partial<ProviderDefinitionSource> | string;
  readonly baseUrl?: string;
  /** Params by job id; one job `j` without params unless given. */
  readonly jobs?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Answers by path, in turn, the last one for good; or a function of the request. */
  readonly answers: Readonly<
    Record<string, readonly Reply[] | ((request: ReceivedRequest, nth: number) => Reply)>
  >;
  /** Whether a subscription wants the result fetched that a link leads to. */
  readonly fetchesResult?: boolean;
  /** The deadline of all jobs; an hour by default. */
  readonly deadlineS?: number;
  /** How long the jobs are watched. */
  readonly forS: number;
  /** The one event of each job that has one by then, as far as given. */
  readonly ends?: Readonly<Record<string, object>>;
  /** Shown as the `last_error` of the first job, which is still live; `nothing` for none. */
  readonly says?: RegExp;
  /** All requests in order. */
  readonly requests?: readonly string[];
  /** Bounds of the time between the first two requests. */
  readonly waitsMs?: readonly [least: number, most: number];
  /** Whether the connection is paused by then. */
  readonly isPaused?: boolean;
}

/** A definition that all cases start from. */
export const BASE: ProviderDefinitionSource = {
  name: "reported",
  title: "An API of jobs",
  base_url: "https://api.example.test",
  auth: { kind: "none" },
  status: { path: "/jobs/{job_id}" },
  rules: [
    { all: [{ pointer: "/status", in: ["queued", "running"] }], observe: "running" },
    { all: [{ pointer: "/status", eq: "done" }], observe: "completed" },
    { all: [{ pointer: "/status", eq: "failed" }], observe: "failed" },
  ],
  extract: {
    status: ["/status"],
    error: ["/error"],
    created_at: ["/created_at"],
    updated_at: ["/updated_at"],
  },
  result: { kind: "inline", at: ["/result"] },
  schedule: { kind: "fixed", interval_s: 1 },
};

/** The path that {@link BASE} asks about job `j`. */
export const J = "/jobs/j";
export const RUNNING: Reply = { body: { status: "running" } };
export const DONE: Reply = { body: { status: "done", result: "alive" } };

const FETCHED = eventMask(ENDING_EVENT_TYPES) | WANTS_RESULT_FETCHED;
const BUILT_IN = builtInProviders();

function providerOf(definition: UpstreamCase["definition"]): Provider {
  if (typeof definition === "string") {
    const provider = BUILT_IN.get(definition);
    if (provider === undefined) throw new Error(`There is no provider ${definition}.`);
    return provider;
  }
  const reading = readDefinition({ ...BASE, ...definition });
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
  return reading.provider;
}

function outcomeOf({ status = 200, headers = {}, body = "" }: Reply): RequestOutcome {
  const isPlain = typeof body === "string" || Buffer.isBuffer(body);
  return {
    kind: "answered",
    status,
    headers: { "content-type": "application/json", ...headers },
    body: isPlain ? Buffer.from(body) : Buffer.from(JSON.stringify(body)),
    truncated: false,
    durationMs: 1,
  };
}

/** The outcome of a case. */
interface Walked {
  /** The event of each job that has one; all of them if there are several. */
  readonly ended: Readonly<Record<string, unknown>>;
  /** That of the first job, while it is live. */
  readonly lastError: string | null;
  readonly requests: readonly string[];
  /** Between the first two requests. */
  readonly waitedMs: number;
  readonly isPaused: boolean;
}

/** Lets an upstream answer as told while its jobs are watched, on a clock that is moved on. */
export async function walk(one: UpstreamCase): Promise<Walked> {
  const connection = { baseUrl: one.baseUrl ?? null, settings: { poll_interval_s: 1 } };
  const { clock, poller, upstream, requests, recorded, paused, add } = startPoller(
    connection,
    providerOf(one.definition),
  );
  upstream.answer = (path, nth) => {
    const answers = one.answers[path];
    const request = requests.at(-1)?.request;
    if (answers === undefined || request === undefined) {
      return outcomeOf({ status: 404, body: { error: `nothing is known of ${path}` } });
    }
    return outcomeOf(
      typeof answers === "function"
        ? answers(request, nth)
        : (answers[Math.min(nth, answers.length) - 1] ?? {}),
    );
  };
  const jobs = new Map<string, LiveJob>();
  for (const [jobId, params] of Object.entries(one.jobs ?? { j: {} })) {
    const deadlineAtMs = clock.now() + (one.deadlineS ?? 3600) * 1000;
    const job = { jobId, params: JSON.stringify(params), deadlineAtMs };
    jobs.set(jobId, add(one.fetchesResult ? { ...job, wantedEvents: FETCHED } : job));
  }
  await clock.advanceSettling(one.forS * 1000);

  const ended: Record<string, unknown> = {};
  for (const [jobId, { id }] of jobs) {
    const events = recorded.filter(({ jobRowId }) => jobRowId === id);
    if (events.length > 0) ended[jobId] = events.length === 1 ? events[0] : events;
  }
  const [first] = jobs.values();
  const view = first === undefined ? null : poller.watches.view(first.shardId, first.id);
  const [firstAtMs = 0, secondAtMs = Infinity] = requests.map(({ atMs }) => atMs);
  return {
    ended,
    lastError: view?.lastError ?? null,
    requests: requests.map(({ path }) => path),
    waitedMs: secondAtMs - firstAtMs,
    isPaused: paused.length > 0,
  };
}
