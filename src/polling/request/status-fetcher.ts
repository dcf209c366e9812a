import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import {
  HEALTHY,
  INCONCLUSIVE,
  type LaneVerdict,
  laneVerdict,
  reachOf,
} from "../../core/job/job.ts";
import type { MemoryPlan } from "../../core/limits/machine-plan.ts";
import type { Observation } from "../../core/job/observation.ts";
import { type Reach, reachOfFailure, type RequestFailureCode } from "../../core/request-failure.ts";
import type { OutboundRequest, RequestOutcome } from "../../outbound/exchange/request-outcome.ts";
import { buildResultRequest, buildStatusRequest } from "../../providers/request/build.ts";
import {
  interpretFailure,
  type Interpretation,
  type ResultWanted,
} from "../../providers/answer/interpret.ts";
import { interpretResultFailure, refusedResult } from "../../providers/answer/interpret-result.ts";
import { resolveLinks } from "../../providers/answer/resolve-links.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { RequestClient } from "../../outbound/request-client.ts";
import { MemoryBudget } from "../../lanes/shares/memory-budget.ts";
import type { ReadingTime } from "../../lanes/shares/reading-time.ts";
import { shownAnswer } from "../../providers/trial/trial.ts";
import { countPoll } from "../polling-gauges.ts";
import { affinityAfter } from "./affinity.ts";
import { AnswerReader } from "./body-reader.ts";
import {
  type FirstExchange,
  followRedirects,
  isRedirected,
  misledBy,
  type PollExchange,
  type PollQuestion,
  pollRequest,
} from "./poll-request.ts";
import { type AnswerMemory, memoryAfterStatus, NO_MEMORY } from "../watch/answer-memory.ts";
import { type AnswerQuestion, decodeAnswer, redactedAnswer } from "./interpret-response.ts";
import type { RawAnswers } from "../watch/raw-answers.ts";
import { OBSERVED_BODY_BYTES_MAX, type ObservedAnswers } from "../watch/observed-answers.ts";
import type { UpstreamResponse } from "../../providers/language/read-body.ts";
import type { UpstreamRequest } from "../../providers/request/upstream-request.ts";
import type { UpstreamAccess } from "../upstream/access.ts";
import type { Watch } from "../watch/watch.ts";

/** Answers from this size on are read in a thread of their own, and wait for room in memory. */
const LARGE_ANSWER_BYTES_MIN = 256 * 1024;
/** For an answer that is too large to be kept, without its bytes. */
const TOO_LARGE = Buffer.alloc(OBSERVED_BODY_BYTES_MAX + 1);
/** The part of a raw answer that is looked at, of which less is shown. */
const RAW_BODY_BYTES_MAX = 64 * 1024;
const READING_TIMEOUT_MS = 20_000;

export interface StatusFetcherOptions {
  readonly limits: ProjectLimits;
  readonly memory: MemoryPlan;
  readonly observed: Pick<ObservedAnswers, "isAsked" | "record">;
  readonly rawAnswers: Pick<RawAnswers, "isAsked" | "record">;
  readonly upstreamClient: Pick<RequestClient, "send">;
}

export interface SentRequest {
  readonly origin: string;
  readonly reach: Reach;
  /** Null when no answer came. */
  readonly httpStatus: number | null;
}

/** The outcome of one request about a job. */
export interface PollResult {
  readonly interpretation: Interpretation;
  /** Where the request went and how far it came; null where the URL may not be asked. */
  readonly sent: SentRequest | null;
  /** How long the upstream held its answer back because it was asked to. */
  readonly longPolledMs: number;
  /** How many requests redirects have added. */
  readonly redirects: number;
}

/** Memory for large answers; a project may use as much as its limit says, at most half. */
export function answerBudget<Holder extends { readonly projectId: string }>(
  bytesMax: number,
  limits: Pick<ProjectLimits, "allowed">,
): MemoryBudget<Holder> {
  return new MemoryBudget<Holder>({
    resource: "answer_bytes",
    bytesFree: LARGE_ANSWER_BYTES_MIN,
    bytesMax,
    bytesPerGroupMax: (projectId) =>
      Math.min(bytesMax / 2, limits.allowed(projectId, "answer_bytes")),
    groupOf: ({ projectId }) => projectId,
  });
}

/** Requests statuses and results of jobs and interprets the responses. */
export class StatusFetcher {
  readonly #runtime: Runtime;
  readonly #client: Pick<RequestClient, "send">;
  readonly #reader: AnswerReader;
  readonly #observed: StatusFetcherOptions["observed"];
  readonly #rawAnswers: StatusFetcherOptions["rawAnswers"];
  readonly #budget: MemoryBudget<OutboundRequest>;
  readonly #readingTime: ReadingTime;
  /** A larger response would take more than a project's part of the budget. */
  readonly #responseBytesMax: number;

  constructor(
    runtime: Runtime,
    { memory, upstreamClient, observed, rawAnswers, limits }: StatusFetcherOptions,
    readingTime: ReadingTime,
  ) {
    const { largeAnswersBytesMax, parsedAnswerBytesMax, readerHeapBytesMax } = memory;
    const responseBytesMax = largeAnswersBytesMax / 2;
    this.#runtime = runtime;
    this.#client = upstreamClient;
    this.#observed = observed;
    this.#rawAnswers = rawAnswers;
    this.#readingTime = readingTime;
    this.#responseBytesMax = responseBytesMax;
    this.#reader = new AnswerReader(runtime, {
      largeBytesMin: LARGE_ANSWER_BYTES_MIN,
      parsedBytesMax: parsedAnswerBytesMax,
      heapBytesMax: readerHeapBytesMax,
      timeoutMs: READING_TIMEOUT_MS,
    });
    this.#budget = answerBudget(largeAnswersBytesMax, limits);
    limits.measuredBy("answer_bytes", (projectId) => this.#budget.heldBy(projectId));
  }

  /** Lets responses that are being read finish while `idle` is awaited, but not for long. */
  stop(idle: Promise<void>): Promise<void> {
    return this.#reader.stop(idle);
  }

  /**
   * Asks about a job once: for its result when the last answer said that it has completed, else for
   * its status. Null when this process cut the request off because it stops, which tells nothing.
   */
  fetch(access: UpstreamAccess, watch: Watch, mayLongPoll: boolean): Promise<PollResult | null> {
    const { memory } = watch;
    return memory?.wanted
      ? this.#fetchResult(access, watch, memory, memory.wanted)
      : this.#fetchStatus(access, watch, mayLongPoll);
  }

  #fetchStatus(
    access: UpstreamAccess,
    watch: Watch,
    mayLongPoll: boolean,
  ): Promise<PollResult | null> {
    const { clock } = this.#runtime;
    const memory = watch.memory ?? NO_MEMORY;
    const longPollMs = mayLongPoll ? (access.provider.longPoll?.waitMs ?? 0) : 0;
    const { nextUrl, etag } = memory;
    const facts = { nowMs: clock.now(), nextUrl, etag, mayLongPoll };
    const request = buildStatusRequest(access.target, watch, facts);
    if (request.kind === "refused") {
      // The first URL, which was allowed when the job was accepted, may lead to another.
      if (nextUrl !== null) watch.memory = { ...memory, nextUrl: null, etag: null };
      return Promise.resolve(unsent(access.redact(unusable(request.problem))));
    }
    return this.#pollStatus(access, watch, request, { memory, longPollMs, nowMs: facts.nowMs });
  }

  async #pollStatus(
    access: UpstreamAccess,
    watch: Watch,
    request: UpstreamRequest,
    {
      memory,
      longPollMs,
      nowMs,
    }: { readonly memory: AnswerMemory; readonly longPollMs: number; readonly nowMs: number },
  ): Promise<PollResult | null> {
    const limits = {
      timeoutMs: Math.min(access.requestTimeoutMs + longPollMs, access.timeoutMsMax),
      mayHoldBackMs: longPollMs,
      responseBytesMax: Math.min(access.statusBytesMax, this.#responseBytesMax),
    };
    const sent = pollRequest(access, request, limits, memory.affinity, this.#budget);
    let landed: PollExchange | null = null;
    try {
      const first = await this.#client.send(sent);
      if (isRedirected(first)) {
        const prepared = access.target.status;
        const question = { access, kind: "status", prepared, limits, memory } as const;
        landed = await this.#follow(question, { request, sent, outcome: first });
      }
      const outcome = landed?.outcome ?? first;
      if (isCutOff(outcome)) return null;
      // Before it is read: the bytes of a large answer go to another thread.
      if (watch.isInspected) this.#show(access, watch, outcome);
      const kept = watch.isObserved && memory.nextUrl === null ? this.#keep(watch, outcome) : null;
      watch.pollCount += 1;
      watch.lastPolledAtMs = nowMs;
      const reading =
        outcome.kind === "failed"
          ? interpretFailure(outcome.failure)
          : this.#read(access, statusQuestion(watch, memory, this.#runtime.clock.now()), outcome);
      const read = reading instanceof Promise ? await reading : reading;
      if (read === null) return null;
      if (watch.isObserved) this.#observed.record(watch.id, kept, read);
      const misled = landed && misledBy(landed, access, read);
      const interpretation = misled ?? resolveLinks(read, landed?.request ?? request);
      if (access.provider.remembersAnswers) remember(watch, memory, interpretation, outcome);
      const longPolledMs = longPollMs === 0 ? 0 : outcome.durationMs;
      return this.#result(access, watch, interpretation, {
        sent: landed?.sent ?? sent,
        outcome,
        redirects: landed?.redirects ?? 0,
        longPolledMs,
      });
    } finally {
      this.#budget.leave(landed?.sent ?? sent);
    }
  }

  #follow(
    {
      memory,
      ...question
    }: Omit<PollQuestion, "affinity" | "remembered"> & {
      readonly memory: AnswerMemory;
    },
    first: FirstExchange,
  ): Promise<PollExchange> {
    const { affinity, remembered } = memory;
    const whole = { ...question, affinity, remembered, room: this.#budget };
    return followRedirects(this.#client, whole, first);
  }

  /** The answer for clients that ask about the job; null when none does any longer, or no answer came. */
  #keep(watch: Watch, outcome: RequestOutcome): UpstreamResponse | null {
    if (outcome.kind === "failed") return null;
    if (!this.#observed.isAsked(watch.id)) {
      watch.isObserved = false;
      return null;
    }
    const { status, headers, body } = outcome;
    if (body.length > OBSERVED_BODY_BYTES_MAX) return { status, headers, body: TOO_LARGE };
    const decoded = decodeAnswer({ status, headers, body }, OBSERVED_BODY_BYTES_MAX);
    return decoded ?? { status, headers, body: TOO_LARGE };
  }

  /** Keeps the answer for people who look at the job, without its credential. */
  #show(access: UpstreamAccess, watch: Watch, outcome: RequestOutcome): void {
    if (!this.#rawAnswers.isAsked(watch.id)) {
      watch.isInspected = false;
      return;
    }
    if (outcome.kind === "failed") return;
    const { status, headers, body } = outcome;
    const isEncoded = headers["content-encoding"] !== undefined;
    const seen = isEncoded ? body : body.subarray(0, RAW_BODY_BYTES_MAX);
    const answer = redactedAnswer({ status, headers, body: seen }, access, LARGE_ANSWER_BYTES_MIN);
    this.#rawAnswers.record(watch.id, {
      ...shownAnswer(answer),
      atMs: this.#runtime.clock.now(),
      bodyBytes: body.length,
    });
  }

  /** Null when this process stops first. */
  #read(
    { projectId, provider }: UpstreamAccess,
    question: AnswerQuestion,
    answer: UpstreamResponse,
  ): Interpretation | Promise<Interpretation | null> {
    const { clock } = this.#runtime;
    const beganMs = clock.monotonic();
    const reading = this.#reader.read(projectId, question, provider, answer);
    // The time of the event loop; that of the thread is free.
    const endedMs = clock.monotonic();
    this.#readingTime.of(projectId).charge(endedMs - beganMs, endedMs);
    return reading;
  }

  #result(
    access: UpstreamAccess,
    watch: Watch,
    interpretation: Interpretation,
    exchange: Pick<PollExchange, "sent" | "outcome" | "redirects"> &
      Pick<PollResult, "longPolledMs">,
  ): PollResult {
    const { sent, outcome, redirects, longPolledMs } = exchange;
    const { origin } = sent;
    if (setsCookies(outcome) || watch.memory?.affinity) {
      rememberAffinity(access, watch, interpretation, { origin, outcome });
    }
    countPoll(this.#runtime.metrics, interpretation, failureCodeOf(outcome));
    return {
      interpretation: redacted(access, interpretation),
      sent: sentTo(origin, outcome),
      longPolledMs,
      redirects,
    };
  }

  async #fetchResult(
    access: UpstreamAccess,
    watch: Watch,
    memory: AnswerMemory,
    wanted: ResultWanted,
  ): Promise<PollResult | null> {
    const { clock } = this.#runtime;
    const { target } = access;
    const { times, place, fallback } = wanted;
    const request = buildResultRequest(target, watch, place, clock.now());
    if (request.kind === "refused") {
      watch.memory = { ...memory, wanted: null };
      return unsent(access.redact(refusedResult(request.problem)));
    }
    const limits = {
      timeoutMs: access.requestTimeoutMs,
      responseBytesMax: Math.min(access.resultBytesMax, this.#responseBytesMax),
    };
    const sent = pollRequest(access, request, limits, memory.affinity, this.#budget);
    let landed: PollExchange | null = null;
    try {
      const first = await this.#client.send(sent);
      if (isRedirected(first) && target.result !== null) {
        const prepared = target.result;
        const question = { access, kind: "result", prepared, limits, memory } as const;
        landed = await this.#follow(question, { request, sent, outcome: first });
      }
      const outcome = landed?.outcome ?? first;
      if (isCutOff(outcome)) return null;
      if (watch.isInspected) this.#show(access, watch, outcome);
      // Whatever came, a result that is not here is asked for by way of the status: the link to it
      // may have changed.
      watch.memory = { ...memory, wanted: null };
      const facts = { nowMs: clock.now(), times, fallback };
      const reading =
        outcome.kind === "failed"
          ? interpretResultFailure(outcome.failure, wanted)
          : this.#read(access, { kind: "result", facts }, outcome);
      const read = reading instanceof Promise ? await reading : reading;
      if (read === null) return null;
      const interpretation = (landed && misledBy(landed, access, read)) ?? read;
      return this.#result(access, watch, interpretation, {
        sent: landed?.sent ?? sent,
        outcome,
        redirects: landed?.redirects ?? 0,
        longPolledMs: 0,
      });
    } finally {
      this.#budget.leave(landed?.sent ?? sent);
    }
  }
}

/** @param memory as of the request */
function remember(
  watch: Watch,
  memory: AnswerMemory,
  interpretation: Interpretation,
  outcome: RequestOutcome,
): void {
  const after = memoryAfterStatus(memory, interpretation, outcome);
  // The tag that the request may have sent was forgotten since, for a whole answer next time.
  const isTagWanted = (watch.memory ?? NO_MEMORY).etag === memory.etag;
  watch.memory = isTagWanted ? after : { ...after, etag: null, unchanged: null };
}

function statusQuestion(watch: Watch, memory: AnswerMemory, nowMs: number): AnswerQuestion {
  const { unchanged, remembered } = memory;
  const facts = {
    seenBefore: watch.seen,
    ageMs: nowMs - watch.acceptedAtMs,
    nowMs,
    unchanged,
    remembered,
    jobId: watch.jobId,
  };
  return { kind: "status", facts };
}

function unsent(interpretation: Interpretation): PollResult {
  return { interpretation, sent: null, longPolledMs: 0, redirects: 0 };
}

function rememberAffinity(
  access: UpstreamAccess,
  watch: Watch,
  interpretation: Interpretation,
  { origin, outcome }: { readonly origin: string; readonly outcome: RequestOutcome },
): void {
  if (outcome.kind === "failed") return;
  const memory = watch.memory ?? NO_MEMORY;
  const { affinityCookies } = access.provider;
  const answer = { origin, headers: outcome.headers };
  const affinity = affinityAfter(memory.affinity, interpretation, answer, affinityCookies);
  if (affinity !== memory.affinity) watch.memory = { ...memory, affinity };
}

export function sentTo(origin: string, outcome: RequestOutcome): SentRequest {
  return outcome.kind === "failed"
    ? { origin, reach: reachOfFailure(outcome.failure.code), httpStatus: null }
    : { origin, reach: "answered", httpStatus: outcome.status };
}

/**
 * The verdict over the lane that the request had its turn in.
 * @param asked null when nothing was sent, or the answer was not awaited
 * @param origin the lane's. A job may have a URL of its own, which proves nothing about it.
 */
export function laneVerdictOf(
  asked: Pick<PollResult, "interpretation" | "sent"> | null,
  origin: string,
): LaneVerdict {
  if (asked === null || asked.sent === null) return INCONCLUSIVE;
  const { interpretation, sent } = asked;
  const verdict = interpretation.kind === "result_wanted" ? HEALTHY : laneVerdict(interpretation);
  const reach = sent.origin === origin ? sent.reach : "unknown";
  return reach === reachOf(verdict) ? verdict : { ...verdict, reach };
}

function redacted(access: UpstreamAccess, interpretation: Interpretation): Interpretation {
  return interpretation.kind === "result_wanted" ? interpretation : access.redact(interpretation);
}

function unusable(reason: string): Observation {
  return { kind: "retry", cause: "unusable_answer", reason, retryAfterMs: null };
}

function setsCookies(outcome: RequestOutcome): boolean {
  return outcome.kind === "answered" && outcome.headers["set-cookie"] !== undefined;
}

function failureCodeOf(outcome: RequestOutcome): RequestFailureCode | null {
  return outcome.kind === "failed" ? outcome.failure.code : null;
}

function isCutOff(outcome: RequestOutcome): boolean {
  return outcome.kind === "failed" && outcome.failure.code === "aborted";
}
