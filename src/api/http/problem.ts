import type { InvalidPart, Problem, Refusal } from "../../core/problem.ts";
import type { z } from "@hono/zod-openapi";
import { PROBLEMS } from "../../core/error-codes.ts";
import type { ProblemCode } from "../../core/error-codes.ts";
import type { Answer } from "./answer.ts";
import { invalidPlaces, invalidPointers, shorten } from "../../runtime/settings/invalid-places.ts";

export const PROBLEM_TYPE = "application/problem+json";

const TOO_MANY = 429;
/** Used when a refusal has no better value: limits like these recover without action. */
const RETRY_LATER_S = "10";
/** Every response to a project reports the state of this limit. */
const LIMIT_OF_REQUESTS = "requests_per_second";

/** More errors than this are of no use, and their text must be bounded. */
const ERRORS_MAX = 50;

export function problem(
  code: ProblemCode,
  detail: string,
  rest?: Omit<Problem, "code" | "detail">,
): Problem {
  return { code, detail, ...rest };
}

export function refused(
  code: ProblemCode,
  detail: string,
  rest?: Omit<Problem, "code" | "detail">,
): Refusal {
  return { ok: false, problem: problem(code, detail, rest) };
}

/** A problem about parts of the request; the detail is that of the first. */
export function problemOfParts(code: ProblemCode, parts: readonly InvalidPart[]): Problem {
  const [first] = parts;
  const others = parts.length - 1;
  const where = first?.pointer ?? first?.parameter ?? first?.header ?? "";
  const more = others === 0 ? "" : ` (and ${others} more)`;
  return {
    code,
    detail: `${where === "" ? "" : `${where}: `}${first?.detail ?? ""}${more}`,
    errors: parts.slice(0, ERRORS_MAX),
  };
}

/**
 * A reference to the page about a code (RFC 9457, 3.1.1). It is relative, with its full path, so
 * that it is the same text on every gateway and leads to the one that responded.
 */
function problemType(code: ProblemCode): string {
  return `/docs/errors/${code}`;
}

/**
 * RFC 9457 as JSON text.
 * @param instance identifies this occurrence, or null inside a larger response
 */
export function problemJson(of: Problem, instance: string | null): string {
  const { status, title } = PROBLEMS[of.code];
  return JSON.stringify({
    type: problemType(of.code),
    title,
    status,
    detail: of.detail,
    ...(instance === null ? {} : { instance: `urn:ringback:request:${instance}` }),
    code: of.code,
    ...(of.errors === undefined ? {} : { errors: of.errors }),
    ...of.extensions,
  });
}

export function problemAnswer(of: Problem, instance: string): Answer {
  const { status } = PROBLEMS[of.code];
  return {
    status,
    headers: {
      "content-type": PROBLEM_TYPE,
      ...(status === TOO_MANY && limitHeaders(of)),
      ...of.headers,
    },
    body: problemJson(of, instance),
  };
}

/** Which limit was reached and when to retry (draft-ietf-httpapi-ratelimit-headers-10). */
function limitHeaders({ code, headers, extensions }: Problem): Readonly<Record<string, string>> {
  const retryAfterS = headers?.["retry-after"] ?? RETRY_LATER_S;
  const { limit: named } = extensions ?? {};
  const limit = typeof named === "string" ? named : code;
  return {
    "retry-after": retryAfterS,
    ...(limit !== LIMIT_OF_REQUESTS && { ratelimit: `"${limit}";r=0;t=${retryAfterS}` }),
  };
}

/** The response while the gateway starts. */
export function notReadyAnswer(): Response {
  const of = problem("not_ready", "The gateway is starting; try again in a second.");
  return new Response(problemJson(of, null), {
    status: PROBLEMS[of.code].status,
    headers: { "content-type": PROBLEM_TYPE, "retry-after": "1" },
  });
}

type Issue = z.core.$ZodIssue;

/** The issues of a body that a schema refused, each with its JSON Pointer. */
export function invalidBodyParts(issues: readonly Issue[]): InvalidPart[] {
  return invalidPointers(issues);
}

/** The issues of a query that a schema refused, each with its parameter. */
export function invalidQueryParts(issues: readonly Issue[]): InvalidPart[] {
  return invalidPlaces(issues).map(({ path, detail }) => ({
    parameter: shorten(String(path[0] ?? "")),
    detail,
  }));
}
