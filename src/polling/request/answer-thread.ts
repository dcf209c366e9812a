import { Worker } from "node:worker_threads";
import type { Interpretation } from "../../providers/answer/interpret.ts";
import type { Timer } from "../../runtime/clock.ts";
import { builtModule } from "../../runtime/process/module-loading.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { ReadingTask } from "./interpret-response.ts";

export interface AnswerThreadOptions {
  /** The heap of the thread. `JSON.parse` heeds no such limit, so it only guards all else. */
  readonly heapBytesMax: number;
  readonly timeoutMs: number;
}

/** The outcome of reading an answer in the thread. */
type ThreadOutcome =
  | { readonly kind: "read"; readonly interpretation: Interpretation }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "closed" };

/** An idle thread is ended: its memory goes back to the machine only with it. */
const IDLE_MS_MAX = 10_000;
const MIB = 2 ** 20;

/** The thread in which large answers are read, one at a time. One that fails is replaced. */
export class AnswerThread {
  readonly #runtime: Runtime;
  readonly #options: AnswerThreadOptions;
  #worker: Worker | null = null;
  #isReading = false;
  #idle: Timer | null = null;
  #close: (() => void) | null = null;
  #isClosed = false;

  constructor(runtime: Runtime, options: AnswerThreadOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Reads an answer; the caller reads no other before this one ends. */
  async read(task: ReadingTask): Promise<ThreadOutcome> {
    this.#isReading = true;
    const outcome = await this.#carryOut(task);
    this.#isReading = false;
    this.#endWhenIdle();
    return outcome;
  }

  /** Ends the thread, whatever it does. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#close?.();
    this.#idle?.cancel();
    await this.#discardWorker();
  }

  #endWhenIdle(): void {
    this.#idle?.cancel();
    this.#idle = this.#runtime.clock.setTimer(IDLE_MS_MAX, () => {
      if (!this.#isReading) void this.#discardWorker();
    });
  }

  async #carryOut(task: ReadingTask): Promise<ThreadOutcome> {
    if (this.#isClosed) return { kind: "closed" };
    const { clock } = this.#runtime;
    const { timeoutMs } = this.#options;
    const { promise, resolve } = Promise.withResolvers<ThreadOutcome>();
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

function whyOf(error: Error): string {
  const isMemory = "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
  return isMemory ? "it takes too much memory to read" : error.message;
}

/** Buffers that can be transferred without a copy, since they hold nothing else. */
function transferable({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}
