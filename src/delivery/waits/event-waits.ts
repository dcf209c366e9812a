import { Repeater } from "../../runtime/repeater.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import { findNewestEvents } from "../../store/events/list-events.ts";
import { type Wait, WaitGroups, type WaitOutcome } from "./wait-group.ts";

/** How soon an event is seen, whichever node recorded it. */
const ROUND_INTERVAL_MS = 400;
const REST_INTERVAL_MS = 30_000;

interface AwaitedEvent {
  readonly projectId: string;
  /** The UUID of the newest event that is known; empty before the first one. */
  readonly afterId: string;
}

/**
 * Lets requests wait for new events of a project. One statement asks for all projects that are waited for, however
 * many requests wait; none while nothing waits. Recording an event costs nothing for it.
 */
export class EventWaits extends Repeater {
  readonly #database: Database;
  readonly #waits: WaitGroups;
  readonly #awaited = new Map<string, AwaitedEvent>();

  constructor(runtime: Pick<Runtime, "clock" | "log" | "random">, database: Database) {
    super(runtime, {
      name: "look for events that are waited for",
      intervalMs: ROUND_INTERVAL_MS,
      restIntervalMs: REST_INTERVAL_MS,
      task: () => this.round(),
    });
    this.#waits = new WaitGroups(runtime.clock);
    this.#database = database;
  }

  /** Requests that wait. */
  get size(): number {
    return this.#waits.requests;
  }

  override async stop(): Promise<void> {
    this.beginStopping();
    await super.stop();
  }

  /** Ends all waits. Later ones are short. */
  beginStopping(): void {
    this.#waits.beginStopping();
  }

  /** The UUID of the project's newest event; empty without any. */
  async newestOf(database: Database, projectId: string): Promise<string> {
    return (await findNewestEvents(database, [projectId])).get(projectId) ?? "";
  }

  /**
   * Resolves with `settled` once the project has an event with a later id, at the latest after
   * `timeoutMs`. Never rejects.
   */
  wait(event: AwaitedEvent, wait: Wait): Promise<WaitOutcome> {
    this.hurry();
    const key = `${event.projectId}/${event.afterId}`;
    this.#awaited.set(key, event);
    return this.#waits.join(key, wait, () => this.#awaited.delete(key));
  }

  /** Asks about all projects that are waited for; no statement when there are none. */
  async round(): Promise<void> {
    if (this.#awaited.size === 0) return;
    this.hurry();
    const projectIds = new Set([...this.#awaited.values()].map(({ projectId }) => projectId));
    const newest = await findNewestEvents(this.#database, [...projectIds]);
    for (const [key, { projectId, afterId }] of this.#awaited) {
      if ((newest.get(projectId) ?? "") > afterId) this.#waits.settle(key);
    }
  }
}
