import { SHARD_COUNT } from "../core/ids/ids.ts";
import { ChangeSignal } from "../runtime/change-signal.ts";
import { sharedMoment, type Timer } from "../runtime/clock.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { Runtime, Service } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import type { DuePosition } from "../store/deliveries/find-due-deliveries.ts";
import { type Changes, findChanges } from "../store/find-changes.ts";

/** With the readers' own intervals, so soon that all nodes follow a change within a second. */
const INTERVAL_MS = 500;
/**
 * Without other nodes, only an operator's command can change something that this node does not
 * know.
 */
const ALONE_INTERVAL_MS = 1_000;

/** Readers, and the changes that wake each of them. */
const READERS = [
  "apiKeys",
  "projects",
  "providers",
  "connections",
  "usage",
  "mail",
  "fanOuts",
  "redeliveries",
  "operationalEvents",
  "dueDeliveries",
  "cluster",
] as const;

interface ChangeWatcherOptions {
  readonly database: Database;
  readonly nodeId: string;
  readonly shards: Pick<OwnedShards, "list">;
  /** The time up to which due deliveries are read, and how far they were read. */
  readonly due: () => { readonly dueByMs: number; readonly dueAfter: DuePosition };
}

/**
 * Looks for changes on behalf of all readers with one statement, so that a gateway with nothing to
 * do costs almost nothing. A failed look wakes all of them, and each reads for itself.
 */
export class ChangeWatcher implements Service {
  readonly name = "change watcher";
  readonly signals: Readonly<Record<(typeof READERS)[number], ChangeSignal>>;
  readonly #runtime: Runtime;
  readonly #options: ChangeWatcherOptions;
  #timer: Timer | null = null;
  #looking: Promise<void> | null = null;
  #isAlone = false;
  #stopped = false;

  constructor(runtime: Runtime, options: ChangeWatcherOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.signals = {
      apiKeys: new ChangeSignal(),
      projects: new ChangeSignal(),
      providers: new ChangeSignal(),
      connections: new ChangeSignal(),
      usage: new ChangeSignal(),
      mail: new ChangeSignal(),
      fanOuts: new ChangeSignal(),
      redeliveries: new ChangeSignal(),
      operationalEvents: new ChangeSignal(),
      dueDeliveries: new ChangeSignal(),
      cluster: new ChangeSignal(),
    };
  }

  start(): Promise<void> {
    this.#schedule();
    return Promise.resolve();
  }

  /** False when the latest look found no other node. */
  get hasNeighbors(): boolean {
    return !this.#isAlone;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  #schedule(): void {
    if (this.#stopped) return;
    const delayMs = this.#isAlone ? ALONE_INTERVAL_MS : INTERVAL_MS;
    const { clock } = this.#runtime;
    const nowMs = clock.monotonic();
    const dueAtMs = sharedMoment(nowMs + delayMs, delayMs);
    this.#timer = clock.setTimer(dueAtMs - nowMs, () => {
      this.#looking = this.#look().then(() => this.#schedule());
    });
  }

  async #look(): Promise<void> {
    const { clock } = this.#runtime;
    const { database, nodeId, shards, due } = this.#options;
    const beganAtMs = clock.monotonic();
    const shardIds = shards.list;
    try {
      const query = { nodeId, shardIds, nowMs: clock.now(), ...due() };
      const changes = await findChanges(database, query);
      this.#isAlone = changes.otherNodes === 0;
      this.#wakeForTables(changes, beganAtMs);
      this.#wakeForWork(changes, shardIds);
    } catch (error) {
      this.#runtime.log.debug({ err: error }, "a look for changes failed; every reader looks");
      for (const reader of READERS) this.signals[reader].wake();
    }
  }

  #wakeForTables(changes: Changes, beganAtMs: number): void {
    for (const table of ["apiKeys", "projects", "providers", "connections", "usage"] as const) {
      this.signals[table].saw(changes[table], beganAtMs);
    }
  }

  #wakeForWork(changes: Changes, shardIds: readonly number[]): void {
    const { signals } = this;
    if (changes.hasMail || changes.otherNodes > 0) signals.mail.wake();
    if (changes.hasFanOuts) signals.fanOuts.wake();
    if (changes.hasRedeliveries) signals.redeliveries.wake();
    if (changes.hasOperationalEvents) signals.operationalEvents.wake();
    if (changes.hasDueDeliveries) signals.dueDeliveries.wake();
    const hasAll = changes.ownShards === SHARD_COUNT && shardIds.length === SHARD_COUNT;
    if (!hasAll || changes.otherNodes > 0) signals.cluster.wake();
  }
}
