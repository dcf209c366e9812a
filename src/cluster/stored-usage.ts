import type { ProjectLimitName } from "../core/limits/project-limits.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import { countStoredOfAll, type StoredCounts } from "../store/sql/stored-counts.ts";

/** Younger counts are shown without counting again. */
const FRESH_MS = 10_000;
/** Counting takes at most a hundredth of the time. */
const PAUSE_PER_COUNTING = 100;

/**
 * How much all projects use of the limits on stored rows, for the metrics. They are counted in the
 * background when a scrape asks for them, so that a scrape waits for no database, and a gateway
 * without scrapes counts nothing.
 */
export class StoredUsage {
  readonly #runtime: Pick<Runtime, "clock" | "log">;
  readonly #database: Database;
  #counts: ReadonlyMap<string, Partial<StoredCounts>> = new Map();
  #counting: Promise<void> | null = null;
  #nextAtMs = -Infinity;
  #isStopped = false;

  constructor(runtime: Pick<Runtime, "clock" | "log">, database: Database) {
    this.#runtime = runtime;
    this.#database = database;
  }

  /** As counted last; 0 before the first count. */
  used(projectId: string, name: ProjectLimitName): number {
    const counts: Partial<Record<ProjectLimitName, number>> | undefined =
      this.#counts.get(projectId);
    return counts?.[name] ?? 0;
  }

  /** Counts in the background, if the counts are no longer fresh. */
  refresh(): void {
    if (this.#isStopped || this.#counting !== null) return;
    if (this.#runtime.clock.monotonic() < this.#nextAtMs) return;
    this.#counting = this.#count().finally(() => (this.#counting = null));
  }

  /** Resolves once no count is running, and begins no more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#counting;
  }

  async #count(): Promise<void> {
    const { clock, log } = this.#runtime;
    const startedAtMs = clock.monotonic();
    try {
      this.#counts = await countStoredOfAll(this.#database, clock.now());
    } catch (error) {
      log.debug({ err: error }, "counting what projects have stored failed");
    }
    const tookMs = clock.monotonic() - startedAtMs;
    this.#nextAtMs = clock.monotonic() + Math.max(FRESH_MS, tookMs * PAUSE_PER_COUNTING);
  }
}
