import type { Observation } from "../core/observation.ts";
import type { OutboundRequest, RequestOutcome } from "../outbound/request-outcome.ts";
import { buildResultRequest, buildStatusRequest } from "../providers/build-request.ts";
import {
  interpretAnswer,
  interpretFailure,
  type Interpretation,
  type ResultWanted,
} from "../providers/interpret-answer.ts";
import {
  interpretResult,
  interpretResultFailure,
  refusedResult,
} from "../providers/interpret-result.ts";
import type { UpstreamRequest } from "../providers/upstream-request.ts";
import type { Clock } from "../runtime/clock.ts";
import { type AnswerMemory, memoryAfterStatus, NO_MEMORY } from "./answer-memory.ts";
import type { UpstreamAccess } from "./upstream-access.ts";
import type { Watch } from "./watch.ts";

export interface AskPorts {
  readonly clock: Clock;
  send(request: OutboundRequest): Promise<RequestOutcome>;
  /** Told of what every answer means, for the metrics. */
  observed(interpretation: Interpretation, durationMs: number): void;
}

/** What one request about a job brought. */
export interface Asked {
  readonly interpretation: Interpretation;
  /** How long the upstream held its answer back because it was asked to. */
  readonly lingeredMs: number;
}

/**
 * Asks about a job once: for its result when the last answer said that it has completed, else for
 * its status. Null when this process cut the request off because it stops, which tells nothing.
 */
export function askUpstream(
  ports: AskPorts,
  access: UpstreamAccess,
  watch: Watch,
  mayLinger: boolean,
): Promise<Asked | null> {
  const { memory } = watch;
  return memory?.wanted
    ? askForResult(ports, access, watch, memory, memory.wanted)
    : askForStatus(ports, access, watch, mayLinger);
}

async function askForStatus(
  ports: AskPorts,
  access: UpstreamAccess,
  watch: Watch,
  mayLinger: boolean,
): Promise<Asked | null> {
  const { provider } = access;
  const memory = watch.memory ?? NO_MEMORY;
  const lingerMs = mayLinger ? (provider.longPoll?.waitMs ?? 0) : 0;
  const { nextUrl, etag, unchanged } = memory;
  const facts = { nowMs: ports.clock.now(), nextUrl, etag, mayLinger };
  const request = buildStatusRequest(access.target, watch, facts);
  if (request.kind === "refused") {
    // The first URL, which was allowed when the job was accepted, may lead to another.
    if (nextUrl !== null) watch.memory = { ...memory, nextUrl: null, etag: null };
    return { interpretation: unusable(request.problem), lingeredMs: 0 };
  }
  const timeoutMs = provider.requestTimeoutMs + lingerMs;
  const outcome = await ports.send(outbound(request, timeoutMs, provider.statusBytesMax));
  if (isCutOff(outcome)) return null;
  const nowMs = ports.clock.now();
  watch.pollCount += 1;
  watch.lastPolledAtMs = nowMs;
  const interpretation =
    outcome.kind === "failed"
      ? interpretFailure(outcome.failure)
      : interpretAnswer(provider, outcome, {
          seenBefore: watch.seen,
          ageMs: nowMs - watch.acceptedAtMs,
          nowMs,
          unchanged,
        });
  if (provider.remembersAnswers) {
    watch.memory = memoryAfterStatus(memory, interpretation, outcome, nowMs);
  }
  ports.observed(interpretation, outcome.durationMs);
  return {
    interpretation: redacted(access, interpretation),
    lingeredMs: lingerMs === 0 ? 0 : outcome.durationMs,
  };
}

async function askForResult(
  ports: AskPorts,
  access: UpstreamAccess,
  watch: Watch,
  memory: AnswerMemory,
  wanted: ResultWanted,
): Promise<Asked | null> {
  const { provider, target } = access;
  const { times, place, otherwise } = wanted;
  const request = buildResultRequest(target, watch, place, ports.clock.now());
  if (request.kind === "refused") {
    watch.memory = { ...memory, wanted: null };
    return { interpretation: refusedResult(request.problem), lingeredMs: 0 };
  }
  const { requestTimeoutMs, resultBytesMax } = provider;
  const outcome = await ports.send(outbound(request, requestTimeoutMs, resultBytesMax));
  if (isCutOff(outcome)) return null;
  // Whatever came, a result that is not here is asked for by way of the status: the link to it
  // may have changed.
  watch.memory = { ...memory, wanted: null };
  const nowMs = ports.clock.now();
  const completedForMs = nowMs - (memory.completedAtMs ?? nowMs);
  const observation =
    outcome.kind === "failed"
      ? interpretResultFailure(outcome.failure, wanted)
      : interpretResult(provider, outcome, { nowMs, completedForMs, times, otherwise });
  ports.observed(observation, outcome.durationMs);
  return { interpretation: access.redact(observation), lingeredMs: 0 };
}

function redacted(access: UpstreamAccess, interpretation: Interpretation): Interpretation {
  return interpretation.kind === "result_wanted" ? interpretation : access.redact(interpretation);
}

function unusable(reason: string): Observation {
  return { kind: "retry", cause: "unusable_answer", reason, retryAfterMs: null };
}

function isCutOff(outcome: RequestOutcome): boolean {
  return outcome.kind === "failed" && outcome.failure.code === "aborted";
}

export function outbound(
  { method, origin, path, headers, body }: UpstreamRequest,
  timeoutMs: number,
  responseBytesMax: number,
): OutboundRequest {
  return { method, origin, path, headers, body, timeoutMs, responseBytesMax, whenLarger: "fail" };
}
