import { readAllowedUrl, refusedLink, resolveLink } from "../language/allowed-url.ts";
import type { PreparedRequest, PreparedTarget } from "./target.ts";
import type { Provider } from "../compile/provider.ts";
import type { UpstreamRequest } from "./upstream-request.ts";
import {
  encodeJsonText,
  encodeQueryValue,
  encodeSegment,
  fillTemplate,
  hasParams,
  type JobReference,
  type TemplateValues,
} from "../language/template.ts";

export type RequestBuilding =
  | UpstreamRequest
  /** The URL that the job or a response named is not allowed. */
  | { readonly kind: "refused"; readonly problem: string };

/** Facts that a status request depends on besides the job. */
export interface StatusRequestFacts {
  readonly nowMs: number;
  /** The URL that the last response named for the next request, resolved. */
  readonly nextUrl: string | null;
  /** The ETag of the response that still holds. */
  readonly etag: string | null;
  /** True when the upstream may hold its response back. */
  readonly mayLongPoll: boolean;
}

export function buildStatusRequest(
  target: PreparedTarget,
  job: JobReference,
  facts: StatusRequestFacts,
): RequestBuilding {
  const { status, provider } = target;
  const { nextUrl, nowMs } = facts;
  const url = nextUrl ?? paramUrl(status.request.urlParam, job);
  const extraQuery = facts.mayLongPoll && provider.longPoll !== null ? provider.longPoll.query : "";
  const request = build(target, status, job, { url, extraQuery, nowMs });
  if (request.kind === "refused") return nextUrl === null ? request : refusalOf(nextUrl, request);
  if (facts.etag === null) return request;
  return { ...request, headers: { ...request.headers, "if-none-match": facts.etag } };
}

/** Null when the provider has no way to cancel a job. */
export function buildCancelRequest(
  target: PreparedTarget,
  job: JobReference,
  nowMs: number,
): RequestBuilding | null {
  const { cancel } = target;
  if (cancel === null) return null;
  const missing = missingOf(target.provider, cancel.request.paramNames, job.params);
  if (missing.length > 0) {
    const problem = `The job was accepted without ${missing.join(", ")}, which canceling needs.`;
    return { kind: "refused", problem };
  }
  const { urlParam } = cancel.request;
  return build(target, cancel, job, { url: paramUrl(urlParam, job), extraQuery: "", nowMs });
}

/** Where a completed job's status response says its result is. */
export interface ResultPlace {
  /** The unresolved URL from the response, or null when the request's path leads there. */
  readonly url: string | null;
  /** Values that the request's placeholders take from the response, by pointer. */
  readonly answer: Readonly<Record<string, string>>;
}

/** @param target of a provider whose results need a second request */
export function buildResultRequest(
  target: PreparedTarget,
  job: JobReference,
  place: ResultPlace,
  nowMs: number,
): RequestBuilding {
  if (target.result === null) throw new Error(`${target.provider.name} has no result request`);
  const values = { jobId: job.jobId, params: job.params, answer: place.answer };
  const request = build(target, target.result, values, { url: place.url, extraQuery: "", nowMs });
  const isRefused = request.kind === "refused" && place.url !== null;
  return isRefused ? refusalOf(place.url, request) : request;
}

/**
 * Builds the request that fetches the link of a result. The credential is sent where the definition
 * says so, and only to a host that it may go to.
 * @param target of a provider that says how its results are fetched
 * @param mayCarryCredential false where another origin has redirected
 */
export function buildDownloadRequest(
  target: PreparedTarget,
  url: string,
  nowMs: number,
  mayCarryCredential = true,
): RequestBuilding {
  const { download } = target;
  if (download === null) throw new Error(`${target.provider.name} has no downloads`);
  const facts = { url, extraQuery: "", nowMs };
  const withCredential = mayCarryCredential ? download.withCredential : null;
  const trusted = withCredential && build(target, withCredential, NO_VALUES, facts);
  if (trusted?.kind === "request") return trusted;
  const request = build(target, download.without, NO_VALUES, facts);
  return request.kind === "refused" ? refusalOf(url, request) : request;
}

const NO_VALUES: TemplateValues = { jobId: "", params: {} };

type Redirection =
  | {
      readonly kind: "redirected";
      readonly request: UpstreamRequest;
      /** Whether it carries what the first request does; not on another origin. */
      readonly isSameOrigin: boolean;
    }
  | { readonly kind: "refused"; readonly problem: string };

/**
 * The request that a redirect of `from` leads to. It may lead to the hosts that a link of an answer may;
 * the credential and the definition's headers go along only within the origin that redirects.
 * @param location as the answer has it
 */
export function buildRedirectedRequest(
  target: PreparedTarget,
  prepared: PreparedRequest,
  from: UpstreamRequest,
  location: string,
): Redirection {
  if (from.method !== "GET") {
    return { kind: "refused", problem: `A ${from.method} request is not sent on.` };
  }
  if (prepared.sign !== null) {
    return { kind: "refused", problem: "The request is signed for the URL that it went to." };
  }
  const url = resolveLink(location, from.origin + from.path);
  const hosts = [...prepared.hosts, new URL(target.origin).hostname];
  const reading = readAllowedUrl(url, { ownOrigin: target.origin, hosts });
  if (reading.kind === "refused") return reading;
  const { origin } = reading;
  const isSameOrigin = origin === from.origin;
  const { accept = "*/*", "user-agent": userAgent = "" } = from.headers;
  const path = withAuthQuery(reading.path, prepared.authQuery, isSameOrigin);
  const headers = isSameOrigin ? from.headers : { accept, "user-agent": userAgent };
  return { kind: "redirected", request: { ...from, origin, path, headers }, isSameOrigin };
}

/** The path with the query's credential where it may be, and without it elsewhere. */
function withAuthQuery(path: string, authQuery: string, isSameOrigin: boolean): string {
  if (authQuery === "") return path;
  const [place = "", query = ""] = path.split(/\?(.*)/s, 2);
  const name = authQuery.slice(0, authQuery.indexOf("=") + 1);
  const others = query.split("&").filter((part) => part !== "" && !part.startsWith(name));
  const all = isSameOrigin ? [...others, authQuery] : others;
  return all.length === 0 ? place : `${place}?${all.join("&")}`;
}

/** The params that the provider's requests need and that `params` lacks or leaves empty. */
export function missingParams(
  provider: Provider,
  params: Readonly<Record<string, string>>,
): readonly string[] {
  return missingOf(provider, provider.requiredParams, params);
}

function missingOf(
  { definition }: Provider,
  names: readonly string[],
  params: Readonly<Record<string, string>>,
): readonly string[] {
  return names.filter((name) => {
    const isGiven = Object.hasOwn(params, name) && params[name] !== "";
    return !isGiven && definition.params[name]?.default === undefined;
  });
}

/**
 * The params with URLs that are not allowed, and why. Checked when a job is accepted, and again at
 * each request, since the connection may change.
 * @param baseUrl the connection's own, or null
 */
export function refusedUrlParams(
  provider: Provider,
  baseUrl: string | null,
  params: Readonly<Record<string, string>>,
): readonly { readonly name: string; readonly problem: string }[] {
  const ownOrigin = URL.parse(baseUrl ?? provider.baseUrl ?? "")?.origin ?? "";
  const allowed = { ownOrigin, hosts: provider.allowedHosts };
  return provider.urlParams.flatMap((name) => {
    const url = Object.hasOwn(params, name) ? (params[name] ?? "") : "";
    const reading = url === "" ? null : readAllowedUrl(url, allowed);
    return reading?.kind === "refused" ? [{ name, problem: reading.problem }] : [];
  });
}

function paramUrl(urlParam: string | null, { params }: JobReference): string | null {
  if (urlParam === null) return null;
  return Object.hasOwn(params, urlParam) ? (params[urlParam] ?? "") : "";
}

type Refusal = Extract<RequestBuilding, { kind: "refused" }>;

function refusalOf(link: string, { problem }: Refusal): Refusal {
  return { kind: "refused", problem: refusedLink(link, problem) };
}

function build(
  target: PreparedTarget,
  prepared: PreparedRequest,
  values: TemplateValues,
  {
    url,
    extraQuery,
    nowMs,
  }: {
    /** Replaces the path. */
    readonly url: string | null;
    readonly extraQuery: string;
    readonly nowMs: number;
  },
): RequestBuilding {
  const { request, sign, authQuery } = prepared;
  let origin = target.origin;
  let path = target.prefix;
  if (url !== null) {
    const reading = readAllowedUrl(url, { ownOrigin: target.origin, hosts: prepared.hosts });
    if (reading.kind === "refused") return reading;
    ({ origin, path } = reading);
  } else if (request.path !== null) {
    path += fillTemplate(request.path, values, encodeSegment);
  }
  if (request.query !== null) {
    path = withQuery(path, fillTemplate(request.query, values, encodeQueryValue));
  }
  for (const part of request.optionalQuery) {
    if (hasParams(part, values)) {
      path = withQuery(path, fillTemplate(part, values, encodeQueryValue));
    }
  }
  if (extraQuery !== "") path = withQuery(path, extraQuery);
  if (authQuery !== "") path = withQuery(path, authQuery);
  const built: UpstreamRequest = {
    kind: "request",
    method: request.method,
    origin,
    path,
    headers: headersOf(prepared, values),
    body: bodyOf(prepared, values),
  };
  return sign === null ? built : sign(built, nowMs);
}

function withQuery(path: string, query: string): string {
  return `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

function headersOf(
  { request, headers }: PreparedRequest,
  values: TemplateValues,
): Readonly<Record<string, string>> {
  if (request.filledHeaders.length === 0) return headers;
  const all: Record<string, string> = { ...headers };
  for (const [name, template] of request.filledHeaders) {
    all[name] = fillTemplate(template, values, encodeQueryValue);
  }
  return all;
}

function bodyOf({ request: { body } }: PreparedRequest, values: TemplateValues): string | null {
  switch (body?.kind) {
    case undefined:
      return null;
    case "json":
      return fillTemplate(body.template, values, encodeJsonText);
    case "form":
      return fillTemplate(body.template, values, encodeQueryValue);
  }
}
