import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";

/** The receiver's response. Times in milliseconds. */
export type ForwardOutcome = { readonly durationMs: number } & (
  | { readonly status: number; readonly excerpt: string }
  | { readonly status: null; readonly error: string }
);

export interface ForwardOptions {
  readonly url: string;
  /** Sent along, besides those of the message. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Takes any certificate: a local receiver often has one of its own. */
  readonly isInsecure: boolean;
}

const EXCERPT_CHARACTERS_MAX = 2_000;

/**
 * Sends a message to a receiver as the gateway would: the exact bytes that are signed, with the headers of
 * the callback. Never rejects, and never follows a redirect.
 */
export function forward(
  {
    headers,
    body,
  }: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  },
  { url, headers: more, timeoutMs, isInsecure }: ForwardOptions,
): Promise<ForwardOutcome> {
  const startedAt = performance.now();
  const took = (): number => Math.round(performance.now() - startedAt);
  return new Promise((resolve) => {
    const failed = (error: Error): void => {
      resolve({ status: null, error: reasonOf(error), durationMs: took() });
    };
    const onAnswer = (answer: IncomingMessage): void => {
      let excerpt = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        excerpt = (excerpt + chunk).slice(0, EXCERPT_CHARACTERS_MAX);
      });
      answer.on("error", failed);
      answer.on("end", () => {
        resolve({ status: answer.statusCode ?? 0, excerpt, durationMs: took() });
      });
    };
    const options = {
      method: "POST",
      headers: { ...headers, ...more, "content-length": Buffer.byteLength(body) },
      signal: AbortSignal.timeout(timeoutMs),
      agent: false,
    } as const;
    const outgoing = url.startsWith("https:")
      ? requestHttps(url, { ...options, rejectUnauthorized: !isInsecure }, onAnswer)
      : requestHttp(url, options, onAnswer);
    outgoing.on("error", failed);
    outgoing.end(body);
  });
}

function reasonOf(error: Error): string {
  if (error.name === "TimeoutError" || error.name === "AbortError") return "no answer in time";
  const code = "code" in error ? String(error.code) : "";
  switch (code) {
    case "ECONNREFUSED":
      return "connection refused: nothing listens there";
    case "ECONNRESET":
      return "the connection was cut before the answer";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the host's name has no address";
    default:
      return error.message === "" ? code : error.message;
  }
}
