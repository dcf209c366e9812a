import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";

/** Each holds a part or two in memory while its reader is slow. */
const OPEN_MAX = 200;
/** A link is meant for the few recipients of a callback, however many it is passed on to. */
const OPEN_PER_RESULT_MAX = 10;
/** A reader that takes nothing for this long is gone, or blocks others. */
const STALLED_MS = 30_000;
/** After that time, a reader must take at least this much on average. */
const BYTES_PER_SECOND_MIN = 16 * 1024;

const GIVEN_UP = "The reader is too slow.";

/** The result being read. */
interface PagedResult {
  readonly projectId: string;
  readonly eventId: string;
}

/**
 * Why a result can't be read now.
 * - `project`: the project has its maximum of readers open.
 * - `result`: this result has its maximum of readers.
 * - `all`: all places are taken, and the project has its share.
 */
export type PagedRefusal = "project" | "result" | "all";

/**
 * Responses that are read part by part while they are sent, so that their size does not matter: a
 * part is read when the one before it has left. Bounded in number, for each project and each
 * result, and in time. When all places are taken, a project with few readers gets one from the
 * project with the most.
 */
export class PagedBodies {
  readonly #limits: ProjectLimits;
  readonly #clock: Clock;
  /** In the order of arrival. */
  readonly #open = new Set<PagedBody>();

  constructor(limits: ProjectLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    limits.measuredBy("result_readers", (projectId) => this.#openOf(projectId).length);
  }

  /** A place for one reader, who must open it soon; or why there is none. */
  admit(result: PagedResult): PagedBody | PagedRefusal {
    const { projectId, eventId } = result;
    const open = this.#openOf(projectId);
    if (open.length >= this.#limits.allowed(projectId, "result_readers")) return "project";
    const readers = open.filter((body) => body.result.eventId === eventId);
    if (readers.length >= OPEN_PER_RESULT_MAX) return "result";
    if (this.#open.size >= OPEN_MAX && !this.#makeRoomFor(open.length)) return "all";
    const body: PagedBody = new PagedBody(result, this.#clock, () => this.#open.delete(body));
    this.#open.add(body);
    return body;
  }

  /**
   * Ends the oldest of the project with the most, if that has at least two more than the newcomer.
   */
  #makeRoomFor(openOfNext: number): boolean {
    const byProject = Map.groupBy(this.#open, ({ result }) => result.projectId);
    const most = [...byProject.values()].reduce((a, b) => (b.length > a.length ? b : a), []);
    if (most.length < openOfNext + 2) return false;
    most[0]?.end("Other projects wait to read results; read this one again later.");
    return true;
  }

  #openOf(projectId: string): PagedBody[] {
    return [...this.#open].filter(({ result }) => result.projectId === projectId);
  }
}

/** One result that is being read. */
export class PagedBody {
  readonly result: PagedResult;
  readonly #clock: Clock;
  readonly #onOver: () => void;
  readonly #startedAtMs: number;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #stall: Timer;
  #isOver = false;

  /** @param onOver called once, when it is read or given up */
  constructor(result: PagedResult, clock: Clock, onOver: () => void) {
    this.result = result;
    this.#clock = clock;
    this.#onOver = onOver;
    this.#startedAtMs = clock.monotonic();
    this.#stall = this.#giveUpAfter(STALLED_MS);
  }

  /**
   * @param bytes of all parts together, as announced to the reader
   * @param read returns the part of this number, from 1 on, or null when it does not exist
   */
  open(
    bytes: number,
    read: (number: number) => Promise<Uint8Array | null>,
  ): ReadableStream<Uint8Array> {
    let number = 0;
    let bytesRead = 0;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          if (this.#isOver) controller.error(new Error(GIVEN_UP));
        },
        pull: async (controller) => {
          this.#stall.cancel();
          if (bytesRead >= bytes) {
            this.#over();
            controller.close();
            return;
          }
          number += 1;
          try {
            const part = await read(number);
            if (this.#isOver) return;
            // It was removed during the transfer; without an error the reader would wait for the
            // rest.
            if (part === null) throw new Error("The rest of the result is gone.");
            bytesRead += part.length;
            controller.enqueue(part);
            this.#stall = this.#giveUpAfter(this.#patienceMs(bytesRead));
          } catch (error) {
            this.#over();
            throw error;
          }
        },
        cancel: () => this.#over(),
      },
      // Nothing is read ahead.
      { highWaterMark: 0 },
    );
  }

  /** Breaks it off. */
  end(why: string): void {
    if (this.#isOver) return;
    this.#over();
    this.#controller?.error(new Error(why));
  }

  /** How long the reader may take for the part that it was just given. */
  #patienceMs(bytesRead: number): number {
    const dueAtMs = this.#startedAtMs + STALLED_MS + (bytesRead / BYTES_PER_SECOND_MIN) * 1000;
    return Math.min(STALLED_MS, dueAtMs - this.#clock.monotonic());
  }

  #giveUpAfter(ms: number): Timer {
    return this.#clock.setTimer(ms, () => this.end(GIVEN_UP));
  }

  #over(): void {
    this.#stall.cancel();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onOver();
  }
}
