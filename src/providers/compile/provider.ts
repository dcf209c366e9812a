import type { AbsenceLimits } from "../../core/job/absence.ts";
import { isExactNumber } from "../../core/json/exact-number.ts";
import { floorSchedule, type PollSchedule } from "../../core/job/poll-schedule.ts";
import { absenceLimits, type CompiledAnswers, compileAnswers } from "./answers.ts";
import { type CompiledRequest, compileRequest } from "./request.ts";
import type { ProviderDefinition } from "../definition/definition.ts";
import { type CompiledDownload, compileDownload } from "./download.ts";
import { type CompiledSubmission, compileSubmission } from "./submit.ts";
import { encodeQueryValue } from "../language/template.ts";

/** A provider, compiled from its definition once so that polling only executes. */
export interface Provider {
  readonly name: string;
  readonly title: string;
  /** The address of connections that name no other; null when each must name one. */
  readonly baseUrl: string | null;
  /** Hosts that the credential may go to besides the connection's own, as patterns. */
  readonly allowedHosts: readonly string[];
  readonly definition: ProviderDefinition;
  /** Never shorter than `minIntervalMs`. */
  readonly schedule: PollSchedule;
  readonly minIntervalMs: number;
  readonly limits: {
    readonly concurrency: number;
    readonly requestsPerSecond: number | null;
    readonly burst: number;
  };
  /** How long after acceptance a 404 means "not visible yet". */
  readonly notFoundGraceMs: number;
  /** How long a job may take, from acceptance, unless its subscription sets another limit. */
  readonly deadlineMs: number;
  readonly deadlineMsMax: number;
  readonly requestTimeoutMs: number;
  /** The same for a response that the upstream holds back. */
  readonly exchangeMsMax: number;
  /** When a job that the upstream does not know counts as gone. */
  readonly goneAfter: AbsenceLimits;
  /** The largest status answer that is read. */
  readonly statusBytesMax: number;
  /** The largest response of a job that still runs. */
  readonly runningBytesMax: number;
  /** The largest response to a request for a result. */
  readonly resultBytesMax: number;
  readonly supportsCancel: boolean;
  /** The `params` that a job may have. */
  readonly paramNames: readonly string[];
  /** Those that it must have, because its requests are built from them. */
  readonly requiredParams: readonly string[];
  /** Those that hold a URL. */
  readonly urlParams: readonly string[];
  /** How a request asks the upstream to hold its response back, and for how long. */
  readonly longPoll: { readonly query: string; readonly waitMs: number } | null;
  /** True when a job's next request depends on its last response. */
  readonly remembersAnswers: boolean;
  /** The cookies that keep a job at the server that knows it, as patterns. */
  readonly affinityCookies: readonly string[];
  /** How a result that is a link is fetched; null when it is only passed on. */
  readonly download: CompiledDownload | null;
  readonly requests: {
    readonly status: CompiledRequest;
    readonly cancel: CompiledRequest | null;
    readonly result: CompiledRequest | null;
  };
  readonly answers: CompiledAnswers;
  /** The requests that submit a job; "recognize" for any whose response looks like one. */
  readonly submissions: readonly CompiledSubmission[] | "recognize";
}

const ACCEPT_JSON = "application/json";
const ACCEPT_ANY = "*/*";

/** @param definition output of `providerDefinitionSchema` */
export function compileProvider(definition: ProviderDefinition): Provider {
  const own = frozenCopy(definition);
  const requests = compileRequests(own);
  const compiled = Object.values(requests).filter((request) => request !== null);
  const paramNames = [...new Set(compiled.flatMap((request) => request.paramNames))];
  const minIntervalMs = toMs(own.min_interval_s);
  const { status, limits } = own;
  const needsSecondRequest = own.result.kind === "request";
  return Object.freeze({
    name: own.name,
    title: own.title,
    baseUrl: own.base_url ?? null,
    allowedHosts: allowedHosts(own),
    definition: own,
    schedule: floorSchedule(compileSchedule(own.schedule), minIntervalMs),
    minIntervalMs,
    limits: Object.freeze({
      concurrency: limits.concurrency,
      requestsPerSecond: limits.requests_per_second,
      burst: limits.burst,
    }),
    notFoundGraceMs: toMs(own.not_found_grace_s),
    deadlineMs: toMs(own.deadline_s),
    deadlineMsMax: toMs(own.deadline_s_max),
    requestTimeoutMs: toMs(own.request_timeout_s),
    exchangeMsMax: toMs(own.request_timeout_s + (status.long_poll?.seconds ?? 0)),
    goneAfter: absenceLimits(own.gone_after),
    // A response without a result has no reason to be large.
    statusBytesMax: needsSecondRequest ? own.running_answer_bytes_max : own.answer_bytes_max,
    runningBytesMax: own.running_answer_bytes_max,
    resultBytesMax: own.answer_bytes_max,
    supportsCancel: requests.cancel !== null,
    paramNames,
    requiredParams: requiredParams(requests, own),
    urlParams: [...new Set(compiled.flatMap(({ urlParam }) => urlParam ?? []))],
    longPoll: compileLongPoll(status.long_poll),
    remembersAnswers:
      status.etag ||
      status.next_url !== undefined ||
      needsSecondRequest ||
      own.rules.some(({ remember }) => remember !== undefined),
    affinityCookies: own.affinity_cookies,
    download: compileDownload(own.result),
    requests,
    answers: compileAnswers(own, requests.result?.answerPointers ?? []),
    submissions:
      own.submit === "recognize" ? own.submit : Object.freeze(own.submit.map(compileSubmission)),
  });
}

function compileRequests(definition: ProviderDefinition): Provider["requests"] {
  const { status, cancel, result, params } = definition;
  const json = { params, accept: ACCEPT_JSON };
  const any = { params, accept: ACCEPT_ANY };
  return Object.freeze({
    status: compileRequest(status, status.format === "text" ? any : json),
    cancel: cancel === undefined ? null : compileRequest(cancel, json),
    result:
      result.kind === "request"
        ? compileRequest(result.request, result.format === "text" ? any : json)
        : null,
  });
}

/** Those for polling; a job that lacks one for canceling merely can't be canceled. */
function requiredParams(
  { status, result }: Provider["requests"],
  { params }: ProviderDefinition,
): readonly string[] {
  const names = new Set([...status.paramNames, ...(result?.paramNames ?? [])]);
  return [...names].filter((name) => isRequired(params, name));
}

function isRequired(params: ProviderDefinition["params"], name: string): boolean {
  const known = Object.hasOwn(params, name) ? params[name] : undefined;
  return known === undefined || (known.default === undefined && !known.optional);
}

function allowedHosts({ base_url: ownUrl, allowed_hosts: others = [] }: ProviderDefinition) {
  return Object.freeze([...(ownUrl === undefined ? [] : [new URL(ownUrl).hostname]), ...others]);
}

function compileLongPoll(
  longPoll: ProviderDefinition["status"]["long_poll"],
): Provider["longPoll"] {
  if (longPoll === undefined) return null;
  return Object.freeze({
    query: `${encodeQueryValue(longPoll.query)}=${longPoll.seconds}`,
    waitMs: toMs(longPoll.seconds),
  });
}

function compileSchedule(schedule: ProviderDefinition["schedule"]): PollSchedule {
  switch (schedule.kind) {
    case "exponential":
      return {
        kind: "exponential",
        initialMs: toMs(schedule.initial_s),
        factor: schedule.factor,
        capMs: toMs(schedule.cap_s),
      };
    case "fixed":
      return { kind: "fixed", intervalMs: toMs(schedule.interval_s) };
    case "square_root":
      return {
        kind: "square_root",
        initialMs: toMs(schedule.initial_s),
        capMs: toMs(schedule.cap_s),
      };
  }
}

function toMs(seconds: number): number {
  return Math.round(seconds * 1000);
}

/** A value of JSON, copied so that nothing else can change it. */
function frozenCopy<T>(value: T): T {
  if (typeof value !== "object" || value === null || isExactNumber(value)) return value;
  const copy = Array.isArray(value) ? value.map(frozenCopy) : mapped(value);
  return Object.freeze(copy) as T;
}

function mapped(value: object): object {
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, frozenCopy(one)]));
}

/** A provider as it can be named, and its origin. */
export interface ProviderVersion {
  readonly name: string;
  readonly provider: Provider;
  /** The definition as its author wrote it, defaults left out: JSON. */
  readonly written: object;
  readonly source: "built_in" | "file" | "project";
  /** Null for a built-in one, which changes only with the program. */
  readonly version: {
    readonly id: string;
    /** 1 for the first of its name. */
    readonly number: number;
    readonly createdAtMs: number;
  } | null;
}
