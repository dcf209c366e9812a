import { sliceRawJson } from "../../core/json/raw-json.ts";
import type { CompiledAnswers, JobPlace } from "../compile/answers.ts";
import {
  isObject,
  isPresent,
  pointerText,
  type PointerTokens,
  valueAt,
} from "../language/json-pointer.ts";
import { type BodyReading, readBody, type UpstreamResponse } from "../language/read-body.ts";
import type { Steps } from "../language/steps.ts";

type JsonBody = Extract<BodyReading, { kind: "json" }>;

/** A status response's body, as far as it is about the job. */
type StatusBody =
  | { readonly kind: "body"; readonly body: BodyReading }
  /** The response is about other jobs only; `body` holds nothing. */
  | { readonly kind: "missing"; readonly body: JsonBody }
  | { readonly kind: "unusable"; readonly body: JsonBody; readonly why: string };

/**
 * Reads the body of a status response, and finds the part about the job where the definition says that
 * there are others.
 * @param jobId null for a sample whose job is not known: then the first job counts
 */
export function readStatusBody(
  { format, jobAt }: CompiledAnswers,
  answer: UpstreamResponse,
  jobId: string | null,
  steps?: Steps,
): StatusBody {
  const body = readBody(answer, steps, format);
  const isSuccess = answer.status >= 200 && answer.status <= 299;
  if (jobAt === null || !isSuccess || body.kind !== "json") return { kind: "body", body };
  const jobs = valueAt(body.json, jobAt.tokens);
  const isRight = jobAt.id === null ? isObject(jobs) && !Array.isArray(jobs) : Array.isArray(jobs);
  if (!isRight && isPresent(jobs)) {
    const what = jobAt.id === null ? "an object" : "a list";
    const place = pointerText(jobAt.tokens) || "the whole answer";
    return { kind: "unusable", body, why: `${place} is not ${what} of jobs (status.job_at)` };
  }
  const tokens = isRight ? placeOfJob(body, jobAt, jobs, jobId) : null;
  const text =
    tokens !== null && body.steps.scan(body.text.length) ? sliceRawJson(body.text, tokens) : null;
  if (tokens === null || text === null) {
    return { kind: "missing", body: { ...body, text: "null", json: null } };
  }
  return { kind: "body", body: { ...body, text, json: valueAt(body.json, tokens) } };
}

function placeOfJob(
  body: JsonBody,
  { tokens, id }: JobPlace,
  jobs: unknown,
  jobId: string | null,
): PointerTokens | null {
  if (!isObject(jobs)) return null;
  const keys = Object.keys(jobs);
  const [first] = keys;
  if (jobId === null) return first === undefined ? null : [...tokens, first];
  if (id === null) return Object.hasOwn(jobs, jobId) ? [...tokens, jobId] : null;
  const key = keys.find((index) => {
    if (!body.steps.spend(1 + id.length)) return false;
    const value = valueAt(jobs[index], id);
    if (typeof value === "number")
      return digitsAt(body, [...tokens, index, ...id], value) === jobId;
    return value === jobId;
  });
  return key === undefined ? null : [...tokens, key];
}

/** A number as it is written, where a double would not do. */
function digitsAt(body: JsonBody, tokens: PointerTokens, value: number): string | null {
  if (Number.isSafeInteger(value)) return String(value);
  return body.steps.scan(body.text.length) ? sliceRawJson(body.text, tokens) : null;
}
