import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Service } from "../runtime/service.ts";
import type { Database } from "../store/database.ts";
import { loadConnections, type StoredConnection } from "../store/load-connections.ts";

const REFRESH_INTERVAL_MS = 400;
/** Rows commit in another order than their times say; reading a little twice misses none. */
const REREAD_MS = 10_000;

export interface ConnectionDirectoryOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of every connection that is new or changed, on whatever node it was changed. */
  readonly onChange: (connection: StoredConnection) => void;
}

/** Every connection, held in memory and kept fresh: few rows that every accept and poll needs. */
export class ConnectionDirectory implements Service {
  readonly name = "connection directory";
  readonly #options: ConnectionDirectoryOptions;
  readonly #byId = new Map<string, StoredConnection>();
  readonly #byName = new Map<string, StoredConnection>();
  readonly #refresher: Repeater;
  #newestMs = 0;
  #refreshing: Promise<void> | null = null;
  #nextRefresh: Promise<void> | null = null;

  constructor(options: ConnectionDirectoryOptions) {
    this.#options = options;
    this.#refresher = new Repeater({
      name: "refresh connections",
      intervalMs: REFRESH_INTERVAL_MS,
      task: () => this.refresh(),
      clock: options.clock,
      log: options.log,
    });
  }

  async start(): Promise<void> {
    await this.refresh();
    await this.#refresher.start();
  }

  stop(): Promise<void> {
    return this.#refresher.stop();
  }

  /** Deleted connections are still found by id: their jobs wait for their deadlines. */
  get(id: string): StoredConnection | null {
    return this.#byId.get(id) ?? null;
  }

  find(projectId: string, provider: string, name: string): StoredConnection | null {
    return this.#byName.get(nameKey({ projectId, provider, name })) ?? null;
  }

  /** As `find`, after reading what has changed: another node may have made it just now. */
  async findFresh(
    projectId: string,
    provider: string,
    name: string,
  ): Promise<StoredConnection | null> {
    // However many ask at once, one read that begins after they asked serves them all.
    this.#nextRefresh ??= Promise.allSettled([this.#refreshing]).then(() => {
      this.#nextRefresh = null;
      this.#refreshing = this.refresh();
      return this.#refreshing;
    });
    await this.#nextRefresh;
    return this.find(projectId, provider, name);
  }

  /** Reads what has changed since the last time. */
  async refresh(): Promise<void> {
    const since = Math.max(0, this.#newestMs - REREAD_MS);
    for (const connection of await loadConnections(this.#options.database, since)) {
      this.#newestMs = Math.max(this.#newestMs, connection.updatedAtMs);
      if (isSame(this.#byId.get(connection.id), connection)) continue;
      this.#take(connection);
    }
  }

  #take(connection: StoredConnection): void {
    const before = this.#byId.get(connection.id);
    this.#byId.set(connection.id, connection);
    if (before !== undefined && this.#byName.get(nameKey(before))?.id === connection.id) {
      this.#byName.delete(nameKey(before));
    }
    if (!connection.isDeleted) this.#byName.set(nameKey(connection), connection);
    this.#options.onChange(connection);
  }
}

function nameKey(connection: Pick<StoredConnection, "projectId" | "provider" | "name">): string {
  return `${connection.projectId}\n${connection.provider}\n${connection.name}`;
}

/** Two changes within a millisecond share a time, so everything is compared. */
function isSame(a: StoredConnection | undefined, b: StoredConnection): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
