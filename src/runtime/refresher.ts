import type { ChangeSignal } from "./change-signal.ts";
import { Repeater } from "./repeater.ts";
import type { Service } from "./service.ts";
import type { Runtime } from "./runtime.ts";

const REFRESH_INTERVAL_MS = 400;
/** Rows commit in another order than their times say; reading a little twice misses none. */
const REREAD_MS = 10_000;

export interface RefresherOptions<Row> {
  readonly name: string;
  /** The rows changed since then; 0 reads all. */
  load(changedSinceMs: number): Promise<readonly Row[]>;
  /** Told of the same row more than once. */
  take(row: Row): void;
  /** Tells when there are changes. */
  readonly changes?: ChangeSignal | undefined;
}

/** Keeps few rows fresh in memory that every node needs, by reading what has changed. */
export class Refresher<Row extends { readonly updatedAtMs: number }> implements Service {
  readonly #runtime: Pick<Runtime, "clock" | "log">;
  readonly #options: RefresherOptions<Row>;
  readonly #repeater: Repeater;
  #newestMs = 0;
  #refreshing: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(runtime: Pick<Runtime, "clock" | "log">, options: RefresherOptions<Row>) {
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
    // Rows may be from before the database's clock was set back, and changes be older than they.
    const newestMs = Math.min(this.#newestMs, this.#runtime.clock.now());
    const since = Math.max(0, newestMs - REREAD_MS);
    const handled = this.#options.changes?.beginReading();
    for (const row of await this.#options.load(since)) {
      this.#newestMs = Math.max(this.#newestMs, row.updatedAtMs);
      this.#options.take(row);
    }
    handled?.();
  }

  /** Reads what has changed. One read that begins after several asked serves them all. */
  refresh(): Promise<void> {
    this.#next ??= Promise.allSettled([this.#refreshing]).then(() => {
      this.#next = null;
      this.#refreshing = this.#read();
      return this.#refreshing;
    });
    return this.#next;
  }
}
