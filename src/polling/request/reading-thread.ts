import { parentPort } from "node:worker_threads";
import { parseExactJson } from "../../core/json/exact-number.ts";
import { bytesOfResult } from "../../core/json/raw-result.ts";
import { bufferOf, releaseBytes } from "../../core/bytes.ts";
import type { ProviderDefinition } from "../../providers/definition/definition.ts";
import type { Interpretation } from "../../providers/answer/interpret.ts";
import { compileProvider } from "../../providers/compile/provider.ts";
import { collectGarbage } from "../../runtime/process/heap.ts";
import { interpretResponse, type ReadingTask } from "./interpret-response.ts";

/*
 * The thread in which `AnswerReader` reads large answers. Its garbage is a few very large strings,
 * which V8 does not collect before there are hundreds of megabytes of them. So this thread collects
 * garbage itself between two answers, which takes milliseconds because its heap holds little else.
 */

const GARBAGE_BYTES_MAX = 8 * 2 ** 20;

let bytesSinceCollected = 0;

parentPort?.on("message", (task: ReadingTask) => {
  const { definition, question, status, headers, body, parsedBytesMax } = task;
  bytesSinceCollected += body.length;
  const answer = { status, headers, body: bufferOf(body), parsedBytesMax };
  const interpretation = interpretResponse(
    question,
    compileProvider(parseExactJson(definition) as ProviderDefinition),
    answer,
  );
  releaseBytes(body);
  post(interpretation);
  if (bytesSinceCollected < GARBAGE_BYTES_MAX) return;
  bytesSinceCollected = 0;
  setImmediate(collectGarbage);
});

/** A result goes as bytes, which change hands without a copy. */
function post(interpretation: Interpretation): void {
  if (interpretation.kind !== "completed" || typeof interpretation.result !== "string") {
    parentPort?.postMessage(interpretation, []);
    return;
  }
  const result = new Uint8Array(bytesOfResult(interpretation.result));
  new TextEncoder().encodeInto(interpretation.result, result);
  parentPort?.postMessage({ ...interpretation, result }, [result.buffer]);
}
