import { isUtf8 } from "node:buffer";
import type { Observation } from "../../core/job/observation.ts";
import { decodeBody, isGzip } from "../../outbound/exchange/content-encoding.ts";
import type { UpstreamResponse } from "../../providers/language/read-body.ts";
import {
  type AnswerFacts,
  interpretAnswer,
  type Interpretation,
  interpretFailure,
} from "../../providers/answer/interpret.ts";
import {
  interpretResult,
  interpretResultFailure,
  type ResultFacts,
} from "../../providers/answer/interpret-result.ts";
import type { Provider } from "../../providers/compile/provider.ts";
import type { UpstreamAccess } from "../upstream/access.ts";

/** How a response is to be interpreted. */
export type AnswerQuestion =
  | { readonly kind: "status"; readonly facts: AnswerFacts }
  | { readonly kind: "result"; readonly facts: ResultFacts };

/** An answer for the thread that reads large ones; plain data. */
export interface ReadingTask {
  /** JSON text, which keeps the digits of its numbers. */
  readonly definition: string;
  readonly question: AnswerQuestion;
  readonly status: number;
  readonly headers: UpstreamResponse["headers"];
  readonly body: Uint8Array;
  readonly parsedBytesMax: number;
}

/** The largest body that an answer may have, its content encoding undone. */
export function bodyBytesMax({ kind }: AnswerQuestion, provider: Provider): number {
  switch (kind) {
    case "status":
      return provider.statusBytesMax;
    case "result":
      return provider.resultBytesMax;
  }
}

/** Undoes the content encoding and finds out what the answer means. */
export function interpretResponse(
  question: AnswerQuestion,
  provider: Provider,
  encoded: UpstreamResponse,
): Interpretation {
  const bytesMax = bodyBytesMax(question, provider);
  const answer = decodeAnswer(encoded, bytesMax);
  if (answer === null) return tooLarge(question, bytesMax);
  switch (question.kind) {
    case "status":
      return interpretAnswer(provider, answer, question.facts);
    case "result":
      return interpretResult(provider, answer, question.facts);
  }
}

/** Null when more than `bytesMax` come of it. */
export function decodeAnswer(answer: UpstreamResponse, bytesMax: number): UpstreamResponse | null {
  const isPlain = answer.headers["content-encoding"] === undefined && !isGzip(answer.body);
  if (isPlain) return answer;
  const decoded = decodeBody(answer.headers, answer.body, bytesMax);
  switch (decoded.kind) {
    case "too_large":
      return null;
    case "undecodable":
      return { ...answer, undecodable: decoded.why };
    case "decoded": {
      const { "content-encoding": _, ...headers } = answer.headers;
      return { ...answer, headers, body: decoded.body };
    }
  }
}

function tooLarge(question: AnswerQuestion, bytesMax: number): Observation {
  const message = `Decompressed, the answer is larger than ${bytesMax} bytes`;
  const failure = { code: "body_too_large", message } as const;
  return question.kind === "status"
    ? interpretFailure(failure)
    : interpretResultFailure(failure, question.facts);
}

/**
 * The answer without the credential, should the upstream echo it: taken out before anything is read
 * from it or cut.
 * @param bytesMax of a body whose content encoding is undone
 */
export function redactedAnswer(
  encoded: UpstreamResponse,
  { redactText }: Pick<UpstreamAccess, "redactText">,
  bytesMax: number,
): UpstreamResponse {
  const undecodable = `decompressed, it is larger than ${bytesMax} bytes`;
  const decoded = decodeAnswer(encoded, bytesMax) ?? { ...encoded, undecodable };
  const { headers, body } = decoded;
  // Anything else than UTF-8 must stay what it is, byte by byte.
  const encoding = isUtf8(body) ? "utf8" : "latin1";
  return {
    ...decoded,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        typeof value === "string" ? redactText(value) : value?.map(redactText),
      ]),
    ),
    body: Buffer.from(redactText(body.toString(encoding)), encoding),
  };
}
