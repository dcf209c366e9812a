import type { z } from "zod";
import type { problemSchema } from "../api/http/response-schemas.ts";
import type { ProblemCode } from "../core/error-codes.ts";

/** Failures that the gateway did not report. */
export type ClientErrorCode =
  /** No answer: no connection, or it broke. */
  | "network_error"
  /** No answer in time. */
  | "request_timed_out"
  /** The job had not ended by `timeoutMs`. */
  | "wait_timed_out"
  /** The answer is not the gateway's: a proxy's page, for example. */
  | "unexpected_answer"
  /** No subscription watches the job. */
  | "not_watched";

export type RingbackErrorCode = ProblemCode | ClientErrorCode;

/** An answer of the gateway that says what was wrong (RFC 9457). */
export type Problem = z.output<typeof problemSchema>;

/** One invalid part of a request. */
export type InvalidPart = NonNullable<Problem["errors"]>[number];

export interface RingbackErrorParts {
  readonly code: RingbackErrorCode;
  readonly status?: number | undefined;
  readonly problem?: Problem | undefined;
  readonly requestId?: string | undefined;
  readonly retryAfterS?: number | undefined;
  readonly cause?: unknown;
}

/** Everything that goes wrong between a program and its gateway. */
export class RingbackError extends Error {
  override readonly name = "RingbackError";
  /** Programs distinguish errors by this code. */
  readonly code: RingbackErrorCode;
  /** The HTTP status; null when there was no answer. */
  readonly status: number | null;
  /** Each invalid part of the request. */
  readonly errors: readonly InvalidPart[];
  /** The gateway's log has the same, and so has its `x-request-id`. */
  readonly requestId: string | null;
  /** When the gateway says to try again. */
  readonly retryAfterS: number | null;
  /** The whole of what the gateway said. */
  readonly problem: Problem | null;

  constructor(message: string, parts: RingbackErrorParts) {
    super(message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = parts.code;
    this.status = parts.status ?? null;
    this.problem = parts.problem ?? null;
    this.errors = parts.problem?.errors ?? [];
    this.requestId = parts.requestId ?? null;
    this.retryAfterS = parts.retryAfterS ?? null;
  }
}
