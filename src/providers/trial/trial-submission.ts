import type { Provider } from "../compile/provider.ts";
import type { UpstreamResponse } from "../language/read-body.ts";
import { missingParams } from "../request/build.ts";
import { maySubmit, readSubmission } from "../submission/submission.ts";
import type { SubmittedJob } from "../submission/recognize.ts";

/** A request that may submit a job, as a person writes it down. */
export interface TriedRequest {
  readonly method: string;
  /** Below the base URL. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The job that an exchange would be read as having submitted. */
export interface SubmissionTrial {
  readonly job: SubmittedJob | null;
  /** For a person: what Ringback does when such an exchange passes through it. */
  readonly consequence: string;
}

/** Where relative links lead for a provider without a base URL of its own. */
const SOME_BASE_URL = "https://api.example.com";

/** Reads an exchange as submit-through would. Changes nothing, never throws. */
export function trySubmission(
  provider: Provider,
  { method, path, headers }: TriedRequest,
  answer: UpstreamResponse,
): SubmissionTrial {
  const url = (provider.baseUrl ?? SOME_BASE_URL) + path;
  const request = { method, path, url, headers };
  const job = readSubmission(provider, request, answer);
  if (job === null) return { job, consequence: whyNone(provider, request) };
  const missing = missingParams(provider, job.params);
  if (missing.length > 0) {
    const consequence = `The job can't be watched: its requests need ${missing.join(", ")}, which the answer does not give.`;
    return { job, consequence };
  }
  return { job, consequence: "The job is subscribed to, if the request names a callback." };
}

function whyNone(provider: Provider, request: Parameters<typeof maySubmit>[1]): string {
  const passedOn = "It is passed on, and nothing is subscribed to";
  const { submissions } = provider;
  if (submissions === "recognize")
    return `${passedOn}: nothing in the answer is known to mean a job.`;
  if (submissions.length === 0) {
    return `${passedOn}: the definition has no submit that says which requests submit a job.`;
  }
  return maySubmit(provider, request)
    ? `${passedOn}: the answer does not meet the conditions of submit, or has no job id.`
    : `${passedOn}: no entry of submit fits ${request.method} ${request.path}.`;
}

/** The job as the API and the command show it. */
export function shownSubmission(job: SubmittedJob | null): object | null {
  if (job === null) return null;
  return { job_id: job.jobId, params: job.params, recognized_by: job.recognizedBy };
}
