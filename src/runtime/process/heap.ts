import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Repeater } from "../repeater.ts";
import type { Runtime } from "../runtime.ts";

/** After a start this is how soon the memory that it took is given back. */
const LOOK_INTERVAL_MS = 5_000;
/** A process that uses less of one processor than this has nothing to do. */
const CPU_SHARE_MAX = 0.05;
/**
 * How long the process has to rest before memory is given back that a burst of work took. V8
 * forgets more than memory with it: measured, the same requests take about twice the CPU for a while after.
 */
const REST_MS_MIN = 60_000;
/** Less is not worth the time that it takes. */
const GROWTH_BYTES_MIN = 32 * 2 ** 20;
/** Collecting takes longer the more there is: a larger heap is left to V8. */
const USED_BYTES_MAX = 192 * 2 ** 20;

/** The process, as this part sees it. Tests use a double. */
export interface ObservedProcess {
  /** CPU that it has used so far, in ms. */
  cpuMs(): number;
  heap(): { readonly totalBytes: number; readonly usedBytes: number };
  shrinkHeap(): void;
}

/**
 * Gives memory back while there is nothing to do. V8 keeps the room that a start or a burst of work took
 * until it has reason to collect again, and a process at rest gives it none.
 */
export class HeapAtRest extends Repeater {
  readonly #clock: Runtime["clock"];
  readonly #process: ObservedProcess;
  #keptBytes = 0;
  #restingSinceMs: number | null = null;
  #last: { readonly atMs: number; readonly cpuMs: number };

  constructor(runtime: Pick<Runtime, "clock" | "log" | "random">, observed: ObservedProcess) {
    super(runtime, {
      name: "give memory back",
      intervalMs: LOOK_INTERVAL_MS,
      task: () => Promise.resolve(this.#look()),
    });
    this.#clock = runtime.clock;
    this.#process = observed;
    this.#last = this.#now();
  }

  #look(): void {
    const before = this.#last;
    this.#last = this.#now();
    const cpuShare = (this.#last.cpuMs - before.cpuMs) / (this.#last.atMs - before.atMs);
    const { totalBytes, usedBytes } = this.#process.heap();
    if (cpuShare > CPU_SHARE_MAX) {
      this.#restingSinceMs = null;
      return;
    }
    this.#restingSinceMs ??= before.atMs;
    if (totalBytes - this.#keptBytes < GROWTH_BYTES_MIN || usedBytes > USED_BYTES_MAX) return;
    // Code that only the start needed is not missed.
    const isAfterStart = this.#keptBytes === 0;
    if (!isAfterStart && this.#last.atMs - this.#restingSinceMs < REST_MS_MIN) return;
    this.#process.shrinkHeap();
    this.#keptBytes = this.#process.heap().totalBytes;
  }

  #now(): { readonly atMs: number; readonly cpuMs: number } {
    return { atMs: this.#clock.monotonic(), cpuMs: this.#process.cpuMs() };
  }
}

/** Buffers that may pass before young garbage is collected: often enough for memory, seldom enough for CPU. */
const PASSED_BYTES_MAX = 16 * 2 ** 20;

/**
 * Keeps the memory of streams small. Their buffers lie outside of V8's heap, which therefore collects them
 * late: a gigabyte that passed took up to 75 MiB more, and takes up to 20 with this, and less CPU.
 */
export class PassedBuffers {
  readonly #collect: () => void;
  #bytes = 0;

  /** @param collect frees the buffers that are not in use */
  constructor(collect: () => void) {
    this.#collect = collect;
  }

  /** A buffer was passed on. */
  passed(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < PASSED_BYTES_MAX) return;
    this.#bytes = 0;
    this.#collect();
  }
}

let collect: ((options?: object) => void) | null = null;

/** V8's own function, which it hands out only to contexts that are made after the flag was set. */
function collector(): (options?: object) => void {
  if (collect !== null) return collect;
  setFlagsFromString("--expose-gc");
  collect = runInNewContext("gc") as (options?: object) => void;
  return collect;
}

/** Collects all garbage of this thread now. */
export function collectGarbage(): void {
  collector()();
}

/** Collects the garbage of its young objects, which takes about a millisecond. */
export function collectYoung(): void {
  collector()({ type: "minor" });
}

/** Collects all garbage, and gives back to the machine what the heap does not need. */
export function shrinkHeap(): void {
  collector()({ type: "major", execution: "sync", flavor: "last-resort" });
}
