import type { ChangeSignal } from "./change-signal.ts";
import { Repeater } from "./repeater.ts";
import type { Runtime, Service } from "./runtime.ts";

const REFRESH_INTERVAL_MS = 400;
/**
 * Rows commit in another order than their times suggest; reading some of them twice misses none.
 */
const REREAD_MS = 10_000;

interface RefresherOptions<Row> {
  readonly name: string;
  /** The rows changed since then; 0 reads all. */
  load(changedSinceMs: number): Promise<readonly Row[]>;
  /** Receives a row, perhaps more than once. */
  take(row: Row): void;
  /** Signals changes. */
  readonly changes?: ChangeSignal | undefined;
}

/** Keeps a small set of rows, which every node needs, fresh in memory by reading changes. */
export class Refresher<Row extends { readonly updatedAtMs: number }> implements Service {
  readonly #runtime: Pick<Runtime, "clock" | "log" | "random">;
  readonly #options: RefresherOptions<Row>;
  readonly #repeater: Repeater;
  #newestMs = 0;
  #refreshing: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(runtime: Pick<Runtime, "clock" | "log" | "random">, options: RefresherOptions<Row>) {
    this.#runtime = runtime;
    this.#options = options;
    this.#repeater = new Repeater(runtime, {
      name: options.name,
      intervalMs: REFRESH_INTERVAL_MS,
      changes: options.changes,
      task: () => this.#read(),
    });
  }

  async start(): Promise<void> {
    await this.#read();
    await this.#repeater.start();
  }

  stop(): Promise<void> {
    return this.#repeater.stop();
  }

  async #read(): Promise<void> {
    // Rows may be from before the database's clock was set back, and newer changes have older
    // times.
    const newestMs = Math.min(this.#newestMs, this.#runtime.clock.now());
    const since = Math.max(0, newestMs - REREAD_MS);
    const handled = this.#options.changes?.beginReading();
    for (const row of await this.#options.load(since)) {
      this.#newestMs = Math.max(this.#newestMs, row.updatedAtMs);
      this.#options.take(row);
    }
    handled?.();
  }

  /** Reads the changes. One read serves all callers that asked before it began. */
  refresh(): Promise<void> {
    this.#next ??= Promise.allSettled([this.#refreshing]).then(() => {
      this.#next = null;
      this.#refreshing = this.#read();
      return this.#refreshing;
    });
    return this.#next;
  }
}
