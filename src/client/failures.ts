import type { BodyTooLargeError } from "../receiver/bounded-body.ts";
import { noAnswerOf } from "../receiver/no-answer.ts";
import { type Problem, RingbackError } from "./ringback-error.ts";

/* Every failure of a request says what was wrong and what to do about it. */

const ANSWER_TEXT_MAX = 200;

/** Names a request in messages. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  /** The gateway's address. */
  readonly base: string;
}

/** Whatever answered; its body may be missing. */
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** The connection was not made, or broke. */
export function networkError({ method, path, base }: Asked, cause: unknown): RingbackError {
  const { code, text } = noAnswerOf(cause);
  const reason = text === "" ? "" : `: ${text}`;
  return new RingbackError(
    `${method} ${path} got no answer from ${base}${reason}. ${adviceFor(code)}`,
    { code: "network_error", cause },
  );
}

/** Names of Node, and of Bun where it has its own. */
function adviceFor(code: string): string {
  if (/^(?:ECONNREFUSED|ConnectionRefused)$/.test(code)) {
    return "Start the gateway, or give the address that it listens on.";
  }
  if (/^(?:ENOTFOUND|EAI_AGAIN)$/.test(code)) {
    return "Check the host name in the gateway's address.";
  }
  if (/CERT|TLS|SSL|SELF_SIGNED|ISSUER/.test(code)) {
    return "Give the host name that the gateway's certificate is for, and let this program trust who issued it (NODE_EXTRA_CA_CERTS).";
  }
  return "Check that the gateway runs, and that its address can be reached from here.";
}

export function timeoutError(
  { method, path, base }: Asked,
  timeoutMs: number,
  cause: unknown,
): RingbackError {
  return new RingbackError(
    `${method} ${path} was not answered by ${base} within ${timeoutMs} ms. It may be busy: try again, or give it more time.`,
    { code: "request_timed_out", cause },
  );
}

/** Somebody else answered, such as a proxy or another program. */
export function unexpectedAnswer(
  { status, headers, text }: Answer,
  { base }: Asked,
): RingbackError {
  const location = headers.get("location");
  const excerpt = text.slice(0, ANSWER_TEXT_MAX).trim();
  const message =
    location === null
      ? `${base} answered ${status}, and not as a gateway does${excerpt === "" ? "" : `: ${excerpt}`}. Check that it is the gateway's address, with its path if it has one.`
      : `${base} redirects to ${location}. Give the address that it leads to: the API key is sent to no other.`;
  return new RingbackError(message, { ...partsOf({ status, headers }), code: "unexpected_answer" });
}

export function tooLargeError({ method, path }: Asked, cause: BodyTooLargeError): RingbackError {
  return new RingbackError(
    `The answer to ${method} ${path} is too large: ${cause.message} Ask for less at once, or read a result part by part.`,
    { code: "unexpected_answer", cause },
  );
}

/** The error that an answer other than 2xx stands for. */
export function errorOf(answer: Answer, asked: Asked): RingbackError {
  const problem = problemIn(answer);
  if (isOfGateway(problem)) {
    return new RingbackError(problem.detail, { ...partsOf(answer), code: problem.code, problem });
  }
  return problem?.detail === undefined
    ? unexpectedAnswer(answer, asked)
    : new RingbackError(problem.detail, { ...partsOf(answer), code: "unexpected_answer" });
}

function partsOf({ status, headers }: Pick<Answer, "status" | "headers">) {
  return {
    status,
    requestId: headers.get("x-request-id") ?? undefined,
    retryAfterS: retryAfterS(headers.get("retry-after")),
  };
}

/** Other programs answer with problems of RFC 9457 too, without a code. */
function isOfGateway(problem: Partial<Problem> | null): problem is Problem {
  return typeof problem?.code === "string" && typeof problem.detail === "string";
}

/** Null when somebody else answered. */
function problemIn({ headers, text }: Answer): Partial<Problem> | null {
  if (headers.get("content-type")?.startsWith("application/problem+json") !== true) return null;
  try {
    return JSON.parse(text) as Partial<Problem> | null;
  } catch {
    return null;
  }
}

function retryAfterS(header: string | null): number | undefined {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
}
