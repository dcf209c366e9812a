import type { PollSchedule } from "../core/poll-schedule.ts";
import { type CompiledRequest, compileRequest } from "./compile-request.ts";
import { compileRules, type RuleVerdict } from "./compile-rules.ts";
import type { ProviderDefinition } from "./definition.ts";
import { type PointerTokens, splitPointer } from "./json-pointer.ts";

/** A provider, compiled from its definition once so that polling only executes. */
export interface Provider {
  readonly name: string;
  readonly title: string;
  /** Where a connection leads that names no other address. */
  readonly baseUrl: string;
  readonly definition: ProviderDefinition;
  readonly schedule: PollSchedule;
  readonly limits: {
    readonly concurrency: number;
    readonly requestsPerSecond: number | null;
    readonly burst: number;
  };
  /** How long after acceptance a 404 means "not visible yet". */
  readonly notFoundGraceMs: number;
  /** How long a job may take, from acceptance, unless its subscription says otherwise. */
  readonly deadlineMs: number;
  readonly deadlineMsMax: number;
  readonly requestTimeoutMs: number;
  readonly answerBytesMax: number;
  readonly supportsCancel: boolean;
  /** The `params` that a job needs, because its requests are built from them. */
  readonly paramNames: readonly string[];
  readonly requests: { readonly status: CompiledRequest; readonly cancel: CompiledRequest | null };
  readonly answers: CompiledAnswers;
}

/** How answers are read, for `interpretAnswer`. */
export interface CompiledAnswers {
  /** The first matching rule's verdict, or null; `json` is undefined when the body is not JSON. */
  readonly judge: (httpStatus: number, json: unknown) => RuleVerdict | null;
  readonly status: readonly PointerTokens[];
  readonly progress: readonly PointerTokens[];
  readonly error: readonly PointerTokens[];
  readonly result: readonly PointerTokens[];
  readonly createdAt: readonly PointerTokens[];
  readonly updatedAt: readonly PointerTokens[];
  readonly pollHintHeaders: readonly { readonly name: string; readonly unit: "ms" | "s" }[];
  readonly rateLimitResetHeaders: readonly string[];
}

/** @param definition comes out of `providerDefinitionSchema` */
export function compileProvider(definition: ProviderDefinition): Provider {
  const own = deepFreeze(structuredClone(definition));
  const status = compileRequest(own.status);
  const cancel = own.cancel === undefined ? null : compileRequest(own.cancel);
  return Object.freeze({
    name: own.name,
    title: own.title,
    baseUrl: own.base_url,
    definition: own,
    schedule: compileSchedule(own.schedule),
    limits: Object.freeze({
      concurrency: own.limits.concurrency,
      requestsPerSecond: own.limits.requests_per_second,
      burst: own.limits.burst,
    }),
    notFoundGraceMs: toMs(own.not_found_grace_s),
    deadlineMs: toMs(own.deadline_s),
    deadlineMsMax: toMs(own.deadline_s_max),
    requestTimeoutMs: toMs(own.request_timeout_s),
    answerBytesMax: own.answer_bytes_max,
    supportsCancel: cancel !== null,
    paramNames: [...new Set([...status.paramNames, ...(cancel?.paramNames ?? [])])],
    requests: Object.freeze({ status, cancel }),
    answers: compileAnswers(own),
  });
}

function compileAnswers(definition: ProviderDefinition): CompiledAnswers {
  const { extract } = definition;
  return Object.freeze({
    judge: compileRules(definition.rules),
    status: extract.status.map(splitPointer),
    progress: extract.progress.map(splitPointer),
    error: extract.error.map(splitPointer),
    result: extract.result.map(splitPointer),
    createdAt: extract.created_at.map(splitPointer),
    updatedAt: extract.updated_at.map(splitPointer),
    pollHintHeaders: extract.poll_hint_headers,
    rateLimitResetHeaders: definition.rate_limit_reset_headers,
  });
}

function compileSchedule(schedule: ProviderDefinition["schedule"]): PollSchedule {
  switch (schedule.kind) {
    case "exponential":
      return Object.freeze({
        kind: "exponential",
        initialMs: toMs(schedule.initial_s),
        factor: schedule.factor,
        capMs: toMs(schedule.cap_s),
      });
    case "fixed":
      return Object.freeze({ kind: "fixed", intervalMs: toMs(schedule.interval_s) });
    case "square_root":
      return Object.freeze({
        kind: "square_root",
        initialMs: toMs(schedule.initial_s),
        capMs: toMs(schedule.cap_s),
      });
  }
}

function toMs(seconds: number): number {
  return Math.round(seconds * 1000);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
