import type { ChangeSignal } from "../../runtime/change-signal.ts";
import type { ConnectionFacts } from "../../core/waiting/job-wait.ts";
import type { DatabaseHealth } from "../../store/db/database-health.ts";
import type { Database } from "../../store/db/database.ts";
import {
  loadConnections,
  type StoredConnection,
} from "../../store/connections/load-connections.ts";
import { Refresher } from "../../runtime/refresher.ts";
import type { Runtime } from "../../runtime/runtime.ts";

export interface ConnectionDirectoryOptions {
  /** Tells when connections may have changed. */
  readonly changes?: ChangeSignal | undefined;
  readonly database: Database;
  readonly health: Pick<DatabaseHealth, "requireReachable">;
  /** Called for every connection that is new or changed, whichever node changed it. */
  readonly onChange: (connection: StoredConnection, before: StoredConnection | null) => void;
}

/** Every connection, held in memory and kept fresh: few rows that every accept and poll needs. */
export class ConnectionDirectory extends Refresher<StoredConnection> {
  readonly #options: ConnectionDirectoryOptions;
  readonly #byId = new Map<string, StoredConnection>();
  readonly #byName = new Map<string, StoredConnection>();

  constructor(runtime: Runtime, options: ConnectionDirectoryOptions) {
    super(runtime, {
      name: "refresh connections",
      changes: options.changes,
      load: (changedSinceMs) => loadConnections(options.database, changedSinceMs),
      take: (connection) => {
        if (!isSame(this.#byId.get(connection.id), connection)) this.#take(connection);
      },
    });
    this.#options = options;
  }

  /** Whether jobs of a connection can be polled, as every node knows it. */
  factsOf(connectionId: string): ConnectionFacts {
    const connection = this.#byId.get(connectionId);
    if (connection === undefined || connection.isDeleted) {
      return { state: "unusable", probeAtMs: null };
    }
    return { state: connection.state, probeAtMs: connection.probeAtMs };
  }

  /** Connections that are paused, of all projects. */
  get pausedCount(): number {
    let count = 0;
    for (const { state, isDeleted } of this.#byId.values()) {
      if (state === "paused" && !isDeleted) count += 1;
    }
    return count;
  }

  /** Deleted connections are still found by id: their jobs wait for their deadlines. */
  get(id: string): StoredConnection | null {
    return this.#byId.get(id) ?? null;
  }

  /** The name of any connection that ever had jobs, deleted ones included. */
  nameOf(id: string): string {
    return this.get(id)?.name ?? "unknown";
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
    this.#options.health.requireReachable();
    await this.refresh();
    return this.find(projectId, provider, name);
  }

  #take(connection: StoredConnection): void {
    const before = this.#byId.get(connection.id);
    this.#byId.set(connection.id, connection);
    if (before !== undefined && this.#byName.get(nameKey(before))?.id === connection.id) {
      this.#byName.delete(nameKey(before));
    }
    if (!connection.isDeleted) this.#byName.set(nameKey(connection), connection);
    this.#options.onChange(connection, before ?? null);
  }
}

function nameKey(connection: Pick<StoredConnection, "projectId" | "provider" | "name">): string {
  return `${connection.projectId}\n${connection.provider}\n${connection.name}`;
}

/** Two changes within a millisecond share a time, so everything is compared. */
function isSame(a: StoredConnection | undefined, b: StoredConnection): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
