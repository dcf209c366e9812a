import type { ProblemCode } from "./error-codes.ts";

/** One invalid part of a request: exactly one of the three fields says where it is. */
export interface InvalidPart {
  /** A JSON Pointer (RFC 6901) into the body. */
  readonly pointer?: string;
  /** A query parameter. */
  readonly parameter?: string;
  readonly header?: string;
  /** Tells the reader what to change. */
  readonly detail: string;
}

/** An error to be sent to the client, in the form of RFC 9457. */
export interface Problem {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors?: readonly InvalidPart[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Members beyond those that every problem has. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface Refusal {
  readonly ok: false;
  readonly problem: Problem;
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | Refusal;
