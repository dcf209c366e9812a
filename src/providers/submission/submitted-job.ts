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
