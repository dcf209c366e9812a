import { parentPort } from "node:worker_threads";
import { compileProvider } from "../providers/provider.ts";
import { answerTo, type ReadingTask } from "./answer-question.ts";

/* The thread in which `AnswerReader` reads large answers. */

parentPort?.on("message", ({ definition, question, status, headers, body }: ReadingTask) => {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const answer = { status, headers, body: bytes };
  parentPort?.postMessage(answerTo(question, compileProvider(definition), answer), []);
});
