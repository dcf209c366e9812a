import type { Clock } from "../../runtime/clock.ts";
import { Repeater } from "../../runtime/repeater.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import { findNewestEvents } from "../../store/events/newest-events.ts";
import { WaitGroup, type WaitOutcome } from "./wait-group.ts";

/** How soon an event is seen, whichever node recorded it. */
const ROUND_INTERVAL_MS = 400;
const REST_INTERVAL_MS = 30_000;

interface AwaitedEvent {
  readonly projectId: string;
  /** The UUID of the newest event that is known; empty before the first one. */
  readonly afterId: string;
}

interface Awaited extends AwaitedEvent {
  readonly waiters: WaitGroup;
}

/**
 * Lets requests wait for new events of a project. One statement asks for all projects that are waited for, however
 * many requests wait; none while nothing waits. Recording an event costs nothing for it.
 */
export class EventWaits extends Repeater {
  readonly #clock: Clock;
  readonly #database: Database;
  readonly #awaited = new Map<string, Awaited>();
  #isStopping = false;

  constructor(runtime: Pick<Runtime, "clock" | "log">, database: Database) {
    super(runtime, {
      name: "look for events that are waited for",
      intervalMs: ROUND_INTERVAL_MS,
      restIntervalMs: REST_INTERVAL_MS,
      task: () => this.round(),
    });
    this.#clock = runtime.clock;
    this.#database = database;
  }

  /** Requests that wait. */
  get size(): number {
    let waiters = 0;
    for (const awaited of this.#awaited.values()) waiters += awaited.waiters.size;
    return waiters;
  }

  override async stop(): Promise<void> {
    this.beginStopping();
    await super.stop();
  }

  /** Ends all waits. Later ones are short. */
  beginStopping(): void {
    this.#isStopping = true;
    for (const { waiters } of this.#awaited.values()) waiters.settle("stopping");
  }

  /** The UUID of the project's newest event; empty without any. */
  async newestOf(database: Database, projectId: string): Promise<string> {
    return (await findNewestEvents(database, [projectId])).get(projectId) ?? "";
  }

  /**
   * Resolves with `settled` once the project has an event with a later id, at the latest after
   * `timeoutMs`. Never rejects.
   */
  wait(
    { projectId, afterId }: AwaitedEvent,
    wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<WaitOutcome> {
    this.hurry();
    const key = `${projectId}/${afterId}`;
    const awaited = this.#awaited.get(key) ?? {
      projectId,
      afterId,
      waiters: new WaitGroup(this.#clock, () => this.#awaited.delete(key)),
    };
    this.#awaited.set(key, awaited);
    return awaited.waiters.join({ ...wait, isStopping: this.#isStopping });
  }

  /** Asks about all projects that are waited for; no statement when there are none. */
  async round(): Promise<void> {
    if (this.#awaited.size === 0) return;
    this.hurry();
    const projectIds = new Set([...this.#awaited.values()].map(({ projectId }) => projectId));
    const newest = await findNewestEvents(this.#database, [...projectIds]);
    for (const { projectId, afterId, waiters } of this.#awaited.values()) {
      if ((newest.get(projectId) ?? "") > afterId) waiters.settle("settled");
    }
  }
}
