import type { UpstreamAnswer } from "../providers/answered.ts";
import {
  type AnswerFacts,
  interpretAnswer,
  type Interpretation,
} from "../providers/interpret-answer.ts";
import { interpretResult, type ResultFacts } from "../providers/interpret-result.ts";
import type { Provider } from "../providers/provider.ts";

/** What an answer is to be read as. */
export type AnswerQuestion =
  | { readonly kind: "status"; readonly facts: AnswerFacts }
  | { readonly kind: "result"; readonly facts: ResultFacts };

/** An answer for the thread that reads large ones; plain data. */
export interface ReadingTask {
  /** JSON text, which keeps the digits of its numbers. */
  readonly definition: string;
  readonly question: AnswerQuestion;
  readonly status: number;
  readonly headers: UpstreamAnswer["headers"];
  readonly body: Uint8Array;
}

export function answerTo(
  question: AnswerQuestion,
  provider: Provider,
  answer: UpstreamAnswer,
): Interpretation {
  switch (question.kind) {
    case "status":
      return interpretAnswer(provider, answer, question.facts);
    case "result":
      return interpretResult(provider, answer, question.facts);
  }
}
