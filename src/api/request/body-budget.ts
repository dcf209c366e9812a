import type { ProjectLimits } from "../../core/limits/project-limits.ts";
import { MemoryBudget } from "../../lanes/shares/memory-budget.ts";
import type { Clock } from "../../runtime/clock.ts";
import { PARSED_FACTOR_MAX } from "./request-body.ts";

/** Smaller bodies are not counted. */
const BYTES_FREE = 16 * 1024;
/** Leaves part of the request's time for the rest of it. */
const WAIT_MS_MAX = 3_000;

interface Holder {
  readonly projectId: string;
}

/**
 * Bounds the memory of all large request bodies in progress, with their parsed values. They wait
 * before any of them is read, and projects take turns; a project may use as much as its limit says,
 * at most half.
 */
export class BodyBudget {
  readonly #clock: Clock;
  readonly #budget: MemoryBudget<Holder>;

  constructor(bytesMax: number, limits: ProjectLimits, clock: Clock) {
    this.#clock = clock;
    this.#budget = new MemoryBudget({
      resource: "request_bytes",
      bytesFree: BYTES_FREE * PARSED_FACTOR_MAX,
      bytesMax,
      bytesPerGroupMax: (projectId) =>
        Math.min(bytesMax / 2, limits.allowed(projectId, "request_bytes") * PARSED_FACTOR_MAX),
      groupOf: ({ projectId }) => projectId,
    });
    limits.measuredBy("request_bytes", (id) => this.#budget.heldBy(id) / PARSED_FACTOR_MAX);
  }

  /** True when a body must be admitted, as far as its headers tell. */
  counts({ headers }: Request): boolean {
    const stated = headers.get("content-length");
    return stated === null ? headers.has("transfer-encoding") : Number(stated) > BYTES_FREE;
  }

  /**
   * Waits for memory for a body. Returns a function that releases it, or null when none came in
   * time.
   * @param bodyBytesMax a larger body is refused before it is read, or cut off there
   */
  async admit(
    { headers }: Request,
    projectId: string,
    bodyBytesMax: number,
  ): Promise<(() => void) | null> {
    const stated = Number(headers.get("content-length") ?? Infinity);
    const bytes = Math.min(stated, bodyBytesMax) * PARSED_FACTOR_MAX;
    const holder: Holder = { projectId };
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = this.#clock.setTimer(WAIT_MS_MAX, () => resolve(false));
    this.#budget.enter(holder, bytes, () => resolve(true));
    const isAdmitted = await promise;
    timer.cancel();
    const leave = (): void => this.#budget.leave(holder);
    if (isAdmitted) return leave;
    leave();
    return null;
  }
}
