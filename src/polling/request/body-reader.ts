import { Worker } from "node:worker_threads";
import type { Observation } from "../../core/job/observation.ts";
import { FairSemaphore } from "../../lanes/fair-semaphore.ts";
import { isUtf8Text, type UpstreamResponse } from "../../providers/language/read-body.ts";
import type { Interpretation } from "../../providers/answer/interpret.ts";
import type { Provider } from "../../providers/compile/provider.ts";
import type { Timer } from "../../runtime/clock.ts";
import { weighJson } from "../../core/json/json-weight.ts";
import { builtModule } from "../../runtime/process/built-module.ts";
import {
  type AnswerQuestion,
  interpretResponse,
  bodyBytesMax,
  decodeAnswer,
  type ReadingTask,
} from "./interpret-response.ts";
import type { Runtime } from "../../runtime/runtime.ts";

export interface AnswerReaderOptions {
  /** Answers of this size and above are read in a thread of their own. */
  readonly largeBytesMin: number;
  /** How much memory one answer may take once parsed. */
  readonly parsedBytesMax: number;
  /** The heap of the thread. `JSON.parse` heeds no such limit, so it only guards all else. */
  readonly heapBytesMax: number;
  readonly timeoutMs: number;
}

const STOP_TIMEOUT_MS = 2_000;
/** An idle thread is ended: its memory goes back to the machine only with it. */
const IDLE_MS_MAX = 10_000;

const MIB = 2 ** 20;

/**
 * The most that is parsed at once on the event loop: ordinary answers take a tenth of it. It is some ten
 * thousand arrays and objects, or about two milliseconds.
 */
const PARSED_AT_ONCE_BYTES_MAX = 2 * MIB;
/** Even of nothing but brackets, so few bytes stay within that. */
const WEIGHED_BYTES_MIN = 16 * 1024;

type Outcome =
  | { readonly kind: "read"; readonly interpretation: Interpretation }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "closed" };

/** One large answer is read at a time. */
export function answerThreadTurns(): FairSemaphore {
  return new FairSemaphore({
    resource: "answer_thread",
    permitsMax: 1,
    permitsPerProjectMax: () => 1,
    waitingPerProjectMax: Infinity,
  });
}

/**
 * Finds out what answers mean. A large one is read in a thread of its own: it may be built so that
 * parsing it takes seconds or gigabytes, and the polls of others must not wait for that, nor the
 * process end with it. One at a time, projects in turns, so that one with many large answers keeps none
 * waiting for all of them; a thread that fails is replaced.
 */
export class AnswerReader {
  readonly #runtime: Runtime;
  readonly #options: AnswerReaderOptions;
  #worker: Worker | null = null;
  readonly #turns = answerThreadTurns();
  #isReading = false;
  #idle: Timer | null = null;
  #close: (() => void) | null = null;
  #isClosed = false;

  constructor(runtime: Runtime, options: AnswerReaderOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /**
   * Null when it was closed before it knew.
   * @param projectId whose job the answer is about
   */
  read(
    projectId: string,
    question: AnswerQuestion,
    provider: Provider,
    answer: UpstreamResponse,
  ): Interpretation | Promise<Interpretation | null> {
    const { largeBytesMin } = this.#options;
    const isLarge = answer.body.length >= largeBytesMin;
    // A small body may become a large one.
    const bytesMax = Math.min(largeBytesMin, bodyBytesMax(question, provider));
    const decoded = isLarge ? null : decodeAnswer(answer, bytesMax);
    const weighed = decoded === null ? null : weighedForLoop(decoded);
    return weighed === null
      ? this.#readLarge(projectId, question, provider, answer)
      : interpretResponse(question, provider, weighed);
  }

  /** Finishes the responses that are being read while `quiet` is awaited, but not for long. */
  async stop(quiet: Promise<void>): Promise<void> {
    // A response may be available only once.
    const timer = this.#runtime.clock.setTimer(STOP_TIMEOUT_MS, () => void this.close());
    await quiet;
    timer.cancel();
    await this.close();
  }

  /** Ends the thread, whatever it does. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#close?.();
    this.#idle?.cancel();
    await this.#discardWorker();
  }

  async #readLarge(
    projectId: string,
    question: AnswerQuestion,
    provider: Provider,
    answer: UpstreamResponse,
  ): Promise<Interpretation | null> {
    const { status, headers, body } = answer;
    const definition = JSON.stringify(provider.definition);
    const { parsedBytesMax } = this.#options;
    const bytes = body.length;
    await this.#turns.acquire(projectId);
    this.#isReading = true;
    const task = { definition, question, status, headers, body, parsedBytesMax };
    const outcome = await this.#carryOut(task);
    this.#isReading = false;
    this.#turns.release(projectId);
    this.#endWhenIdle();
    switch (outcome.kind) {
      case "read":
        return outcome.interpretation;
      case "failed":
        return unreadable(status, bytes, outcome.why);
      case "closed":
        return null;
    }
  }

  #endWhenIdle(): void {
    this.#idle?.cancel();
    this.#idle = this.#runtime.clock.setTimer(IDLE_MS_MAX, () => {
      if (!this.#isReading) void this.#discardWorker();
    });
  }

  async #carryOut(task: ReadingTask): Promise<Outcome> {
    if (this.#isClosed) return { kind: "closed" };
    const { clock } = this.#runtime;
    const { timeoutMs } = this.#options;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#close = () => resolve({ kind: "closed" });
    const timer = clock.setTimer(timeoutMs, () => {
      resolve({ kind: "failed", why: `it takes longer than ${timeoutMs / 1000} s to read` });
    });
    const worker = (this.#worker ??= this.#startWorker());
    const onMessage = (interpretation: Interpretation): void =>
      resolve({ kind: "read", interpretation });
    const onError = (error: Error): void => resolve({ kind: "failed", why: whyOf(error) });
    worker.once("message", onMessage).once("error", onError);
    worker.postMessage(task, transferable(task.body));
    const outcome = await promise;
    timer.cancel();
    worker.off("message", onMessage).off("error", onError);
    if (outcome.kind !== "read") await this.#discardWorker();
    return outcome;
  }

  #startWorker(): Worker {
    const worker = new Worker(builtModule(new URL("reading-thread.ts", import.meta.url)), {
      resourceLimits: { maxOldGenerationSizeMb: this.#options.heapBytesMax / MIB },
    });
    // A process that ends does not wait for it.
    worker.unref();
    // A failure between two responses affects neither: the next one gets a new thread.
    worker.on("error", () => undefined);
    return worker;
  }

  async #discardWorker(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }
}

/** The answer when it is light enough to be read on the event loop, else null. */
function weighedForLoop(answer: UpstreamResponse): UpstreamResponse | null {
  if (answer.undecodable !== undefined || answer.body.length < WEIGHED_BYTES_MIN) return answer;
  const isLight = isUtf8Text(answer) && weighJson(answer.body, PARSED_AT_ONCE_BYTES_MAX) === "fits";
  return isLight ? { ...answer, isWeighed: true } : null;
}

function whyOf(error: Error): string {
  const isMemory = "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
  return isMemory ? "it takes too much memory to read" : error.message;
}

/** Buffers that can be transferred without a copy, since they hold nothing else. */
function transferable({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}

function unreadable(status: number, bytes: number, why: string): Observation {
  const reason = `HTTP ${status}: the body of ${bytes} bytes can't be read: ${why}.`;
  return { kind: "retry", cause: "unreadable_answer", reason, retryAfterMs: null };
}
