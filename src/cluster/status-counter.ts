import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import { countProjectStats, findProjectStats } from "../store/projects/project-stats.ts";
import type { ProjectStats } from "../store/projects/project-stats.ts";

/** Younger counts are returned without counting again. */
const FRESH_MS = 5_000;
/** Older counts are not returned while new ones can be had within {@link WAIT_MS}. */
const STALE_MS = 60_000;
const WAIT_MS = 2_000;
/** Counting takes at most a hundredth of the time. */
const PAUSE_PER_COUNTING = 100;

/**
 * Counts the rows of each status when somebody asks for them, for all projects at once. An idle gateway
 * counts nothing, since counting would cost it more than everything else.
 */
export class StatusCounter {
  readonly #runtime: Runtime;
  readonly #database: Database;
  #counting: Promise<void> | null = null;
  #nextAtMs = -Infinity;
  #stopped = false;

  /** @param database what counting uses, which may take longer than a request */
  constructor(runtime: Runtime, database: Database) {
    this.#runtime = runtime;
    this.#database = database;
  }

  /**
   * A project's counts, at most a minute old unless counting takes longer than 2 s or is not due; null when
   * nothing was counted yet.
   * @param database that of the request
   */
  async countsOf(database: Database, projectId: string): Promise<ProjectStats | null> {
    const stored = await findProjectStats(database, projectId);
    const ageMs = stored === null ? Infinity : this.#runtime.clock.now() - stored.countedAtMs;
    if (ageMs <= FRESH_MS) return stored;
    const counting = this.#count();
    if (counting === null || ageMs <= STALE_MS) return stored;
    await this.#atMost(WAIT_MS, counting);
    return findProjectStats(database, projectId);
  }

  /** Resolves once no count is running. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#counting;
  }

  /** The count in progress or a new one; null while none is due. It never rejects. */
  #count(): Promise<void> | null {
    const { clock } = this.#runtime;
    if (this.#counting !== null) return this.#counting;
    const startedAtMs = clock.monotonic();
    if (this.#stopped || startedAtMs < this.#nextAtMs) return null;
    this.#counting = countProjectStats(this.#database)
      .catch((error: unknown) => {
        this.#runtime.log.debug({ err: error }, "counting by status failed");
      })
      .finally(() => {
        this.#counting = null;
        const endedAtMs = clock.monotonic();
        this.#nextAtMs = endedAtMs + PAUSE_PER_COUNTING * (endedAtMs - startedAtMs);
      });
    return this.#counting;
  }

  async #atMost(waitMs: number, work: Promise<void>): Promise<void> {
    const passed = Promise.withResolvers<void>();
    const timer = this.#runtime.clock.setTimer(waitMs, () => passed.resolve());
    await Promise.race([work, passed.promise]);
    timer.cancel();
  }
}
