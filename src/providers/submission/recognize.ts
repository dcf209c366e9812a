import { sliceRawJson } from "../../core/json/raw-json.ts";
import { foldCase } from "../compile/rules.ts";
import { resolveLink } from "../language/allowed-url.ts";
import { isObject, splitPointer, valueAt } from "../language/json-pointer.ts";
import { type BodyReading, readBody, type UpstreamResponse } from "../language/read-body.ts";
import type { HeaderValues } from "../../core/job/retry-after.ts";

/** The parts of a request that decide whether it can submit a job. */
export interface SubmissionRequest {
  readonly method: string;
  /** Below the base URL, without the query. */
  readonly path: string;
  /** Where it was sent; a header with a path is resolved against it. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: HeaderValues;
}

/** A job that was submitted, according to a response. */
export interface SubmittedJob {
  readonly jobId: string;
  readonly params: Readonly<Record<string, string>>;
  /** The entry of the definition, as a JSON Pointer, or the sign by which it was recognized. */
  readonly recognizedBy: string;
}

/*
 * Recognizes the response to a submission without a definition, by what job APIs have in common.
 * The order is the one in which the vendors' own clients look; then more specific forms come first.
 */

/** The param with the status URL of the job. */
const STATUS_URL = "status_url";
const ACCEPTED = 202;
const READING_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Words for a job that has not ended, folded. Other words may mean anything. */
const RUNNING_WORDS: ReadonlySet<unknown> = new Set([
  "accepted",
  "created",
  "enqueued",
  "initializing",
  "inprogress",
  "inqueue",
  "notstarted",
  "pending",
  "preparing",
  "processing",
  "queued",
  "ready",
  "received",
  "running",
  "scheduled",
  "started",
  "starting",
  "submitted",
  "throttled",
  "validating",
  "waiting",
]);

const ID_PLACES = ["/id", "/job_id", "/jobId", "/task_id", "/taskId", "/run_id", "/request_id"];
const WHOLE_NUMBER = /^\d+$/;
const ENVELOPES = ["", "/data", "/job"];
const WORD_PLACES = ["/status", "/state"];

/** True when a response to such a request can be that of a submission. */
export function mayBeSubmission({ method }: SubmissionRequest): boolean {
  return !READING_METHODS.has(method);
}

/** The job that a response seems to name, or null. */
export function recognizeSubmission(
  request: SubmissionRequest,
  answer: UpstreamResponse,
): SubmittedJob | null {
  if (!mayBeSubmission(request) || answer.status < 200 || answer.status > 299) return null;
  const { "content-type": type } = answer.headers;
  if (typeof type === "string" && type.startsWith("text/event-stream")) return null;
  return byHeader(request, answer) ?? byBody(request, readBody(answer));
}

function byHeader(request: SubmissionRequest, { status, headers }: UpstreamResponse) {
  const names = ["operation-location", "azure-asyncoperation"];
  if (status === ACCEPTED) names.push("location");
  for (const name of names) {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    const link = typeof value === "string" ? value : value?.[0];
    if (link !== undefined && link !== "") return jobAt(resolveLink(link, request.url), name);
  }
  return null;
}

function byBody(request: SubmissionRequest, body: BodyReading): SubmittedJob | null {
  if (body.kind !== "json" || !isObject(body.json)) return null;
  const { json, text } = body;
  const read = { json, text };
  return googleOperation(request, json) ?? linked(request, read) ?? identified(request, read);
}

interface ReadBody {
  readonly json: Readonly<Record<string, unknown>>;
  /** The same as it is written. */
  readonly text: string;
}

/** AIP-151: `name` and, while it runs, `metadata` or `done: false`. */
function googleOperation(
  { url }: SubmissionRequest,
  { name, done, metadata }: Readonly<Record<string, unknown>>,
): SubmittedJob | null {
  if (typeof name !== "string" || !/(?:^|\/)operations\//.test(name)) return null;
  if (done === undefined && metadata === undefined) return null;
  const { origin, pathname } = new URL(url);
  const version = /^\/v\d\w*(?=\/)/.exec(pathname)?.[0] ?? "";
  const path = name.split("/").map(encodeURIComponent).join("/");
  return job(name, `${origin}${version}/${path}`, "google-operation");
}

/** A status URL in the response. */
function linked(request: SubmissionRequest, body: ReadBody) {
  const places = ["/urls/get", "/status_url", "/statusUrl", "/links/status", "/_links/status/href"];
  for (const place of places) {
    const link = valueAt(body.json, splitPointer(place));
    if (typeof link !== "string" || link === "") continue;
    const url = resolveLink(link, request.url);
    const id = idIn(body);
    return id === null ? jobAt(url, place.slice(1)) : job(id, url, place.slice(1));
  }
  return null;
}

/** An id and a word for a running job: something posted to `/things` is found at `/things/{id}`. */
function identified({ url, method }: SubmissionRequest, body: ReadBody) {
  const id = idIn(body);
  if (id === null || method !== "POST" || !ENVELOPES.some((at) => isRunning(body.json, at)))
    return null;
  const { origin, pathname } = new URL(url);
  const collection = pathname.replace(/\/+$/, "");
  return job(id, `${origin}${collection}/${encodeURIComponent(id)}`, "id-and-status");
}

/** The first text or whole number at a place for ids; every digit of it. */
function idIn({ json, text }: ReadBody): string | null {
  for (const envelope of ENVELOPES) {
    for (const place of ID_PLACES) {
      const tokens = splitPointer(envelope + place);
      const id = valueAt(json, tokens);
      if (typeof id === "string" && id !== "") return id;
      const digits = typeof id === "number" ? sliceRawJson(text, tokens) : null;
      if (digits !== null && WHOLE_NUMBER.test(digits)) return digits;
    }
  }
  return null;
}

function isRunning(json: unknown, envelope: string): boolean {
  return WORD_PLACES.some((place) => {
    const word = foldCase(valueAt(json, splitPointer(envelope + place)));
    return typeof word === "string" && RUNNING_WORDS.has(word.replaceAll(/[-_ ]/g, ""));
  });
}

/** A job that has no other name than the end of its URL. */
function jobAt(url: string, recognizedBy: string): SubmittedJob | null {
  const parsed = URL.parse(url);
  const segment = parsed?.pathname.replace(/\/+$/, "").split("/").at(-1) ?? "";
  return segment === "" ? null : job(segment, url, recognizedBy);
}

const JOB_ID_CHARACTERS_MAX = 512;

function job(jobId: string, url: string, recognizedBy: string): SubmittedJob {
  return {
    jobId: jobId.slice(0, JOB_ID_CHARACTERS_MAX),
    params: { [STATUS_URL]: url },
    recognizedBy,
  };
}
