import type { Observation } from "../../core/job/observation.ts";
import { FairSemaphore } from "../../lanes/shares/fair-semaphore.ts";
import { isUtf8Text, type UpstreamResponse } from "../../providers/language/read-body.ts";
import type { Interpretation } from "../../providers/answer/interpret.ts";
import type { Provider } from "../../providers/compile/provider.ts";
import { weighJson } from "../../core/json/json-weight.ts";
import { AnswerThread, type AnswerThreadOptions } from "./answer-thread.ts";
import {
  type AnswerQuestion,
  interpretResponse,
  bodyBytesMax,
  decodeAnswer,
} from "./interpret-response.ts";
import type { Runtime } from "../../runtime/runtime.ts";

export interface AnswerReaderOptions extends AnswerThreadOptions {
  /** Answers of this size and above are read in a thread of their own. */
  readonly largeBytesMin: number;
  /** How much memory one answer may take once parsed. */
  readonly parsedBytesMax: number;
}

const STOP_TIMEOUT_MS = 2_000;
const MIB = 2 ** 20;

/**
 * The most that is parsed at once on the event loop: ordinary answers take a tenth of it. It is some ten
 * thousand arrays and objects, or about two milliseconds.
 */
const PARSED_AT_ONCE_BYTES_MAX = 2 * MIB;
/** Even of nothing but brackets, so few bytes stay within that. */
const WEIGHED_BYTES_MIN = 16 * 1024;

/**
 * Finds out what answers mean. A large one is read in a thread of its own: it may be built so that
 * parsing it takes seconds or gigabytes, and the polls of others must not wait for that, nor the
 * process end with it. One at a time, projects in turns, so that one with many large answers keeps none
 * waiting for all of them; a thread that fails is replaced.
 */
export class AnswerReader {
  readonly #runtime: Runtime;
  readonly #options: AnswerReaderOptions;
  readonly #thread: Pick<AnswerThread, "read" | "close">;
  /** One large answer is read at a time. */
  readonly #turns = new FairSemaphore({
    resource: "answer_thread",
    permitsMax: 1,
    permitsPerProjectMax: () => 1,
    waitingPerProjectMax: Infinity,
  });

  /** @param thread for tests */
  constructor(
    runtime: Runtime,
    options: AnswerReaderOptions,
    thread: Pick<AnswerThread, "read" | "close"> = new AnswerThread(runtime, options),
  ) {
    this.#runtime = runtime;
    this.#options = options;
    this.#thread = thread;
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
    await this.#thread.close();
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
    const task = { definition, question, status, headers, body, parsedBytesMax };
    const outcome = await this.#thread.read(task);
    this.#turns.release(projectId);
    switch (outcome.kind) {
      case "read":
        return outcome.interpretation;
      case "failed":
        return unreadable(status, bytes, outcome.why);
      case "closed":
        return null;
    }
  }
}

/** The answer when it is light enough to be read on the event loop, else null. */
function weighedForLoop(answer: UpstreamResponse): UpstreamResponse | null {
  if (answer.undecodable !== undefined || answer.body.length < WEIGHED_BYTES_MIN) return answer;
  const isLight = isUtf8Text(answer) && weighJson(answer.body, PARSED_AT_ONCE_BYTES_MAX) === "fits";
  return isLight ? { ...answer, isWeighed: true } : null;
}

function unreadable(status: number, bytes: number, why: string): Observation {
  const reason = `HTTP ${status}: the body of ${bytes} bytes can't be read: ${why}.`;
  return { kind: "retry", cause: "unreadable_answer", reason, retryAfterMs: null };
}
