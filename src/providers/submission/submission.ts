import type { HeaderValues } from "../../core/job/retry-after.ts";
import { isPrintable } from "../../core/printable.ts";
import { sliceRawJson } from "../../core/json/raw-json.ts";
import { type PointerTokens, valueAt } from "../language/json-pointer.ts";
import { resolveLink } from "../language/allowed-url.ts";
import { type BodyReading, readBody, type UpstreamResponse } from "../language/read-body.ts";
import { judge } from "../compile/rules.ts";
import type { Provider } from "../compile/provider.ts";
import {
  mayBeSubmission,
  recognizeSubmission,
  type SubmissionRequest,
  type SubmittedJob,
} from "./recognize.ts";
import type { CompiledSource, CompiledSubmission } from "../compile/submit.ts";

const JOB_ID_CHARACTERS_MAX = 512;

/** True when the response to a request can name a job, so that it must be read. */
export function maySubmit(provider: Provider, request: SubmissionRequest): boolean {
  const { submissions } = provider;
  if (submissions === "recognize") return mayBeSubmission(request);
  return submissions.some((one) => fitsRequest(one, request) !== null);
}

/** The fields of a request's body that say where the callback goes, each by the keys that lead to it. */
export function callbackFieldsOf(
  { submissions }: Provider,
  request: SubmissionRequest,
): readonly PointerTokens[] {
  if (submissions === "recognize") return [];
  return submissions.flatMap((one) =>
    one.callbackFields.length > 0 && fitsRequest(one, request) !== null ? one.callbackFields : [],
  );
}

/** The job that an exchange has submitted, or null when it has submitted none. */
export function readSubmission(
  provider: Provider,
  request: SubmissionRequest,
  answer: UpstreamResponse,
): SubmittedJob | null {
  const { submissions } = provider;
  if (submissions === "recognize") return recognizeSubmission(request, answer);
  const body = readBody(answer);
  for (const [index, submission] of submissions.entries()) {
    const parts = fitsRequest(submission, request);
    if (parts === null || judge(submission.when, answer, body) === null) continue;
    const facts: Facts = { parts, url: request.url, headers: answer.headers, body };
    const jobId = firstOf(submission.jobId, facts);
    if (jobId === null || jobId.length > JOB_ID_CHARACTERS_MAX || !isPrintable(jobId)) continue;
    const params = submission.params.flatMap(([name, sources]) => {
      const value = firstOf(sources, facts);
      return value === null ? [] : [[name, value] as const];
    });
    return { jobId, params: Object.fromEntries(params), recognizedBy: `/submit/${index}` };
  }
  return null;
}

function fitsRequest(
  { methods, matchPath, requestTests }: CompiledSubmission,
  request: SubmissionRequest,
): Readonly<Record<string, string>> | null {
  if (!methods.has(request.method) || !requestTests.every((test) => test(request.headers)))
    return null;
  return matchPath(request.path);
}

interface Facts {
  readonly parts: Readonly<Record<string, string>>;
  readonly url: string;
  readonly headers: HeaderValues;
  readonly body: BodyReading;
}

function firstOf(sources: readonly CompiledSource[], facts: Facts): string | null {
  for (const source of sources) {
    const text = textAt(source.from, facts);
    if (text === null || text === "") continue;
    return source.isLastSegment ? lastSegment(text) : text;
  }
  return null;
}

function textAt(from: CompiledSource["from"], { parts, url, headers, body }: Facts): string | null {
  switch (from.kind) {
    case "value":
      return from.text;
    case "path":
      return parts[from.name] ?? null;
    case "header": {
      const value = Object.hasOwn(headers, from.name) ? headers[from.name] : undefined;
      const text = typeof value === "string" ? value : (value?.[0] ?? null);
      return text?.startsWith("/") === true ? resolveLink(text, url) : text;
    }
    case "answer": {
      if (body.kind !== "json") return null;
      const value = valueAt(body.json, from.at);
      if (typeof value === "string") return value;
      // The digits as written: an id may have more than a double holds.
      return typeof value === "number" ? sliceRawJson(body.text, from.at) : null;
    }
  }
}

function lastSegment(url: string): string | null {
  const [path = ""] = url.split(/[?#]/, 1);
  const segment = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
  try {
    return segment === "" ? null : decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
