import type { Clock } from "../../runtime/clock.ts";
import type { OwnedShards } from "../../runtime/owned-shards.ts";
import { Repeater } from "../../runtime/repeater.ts";
import type { Runtime, Service } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import { findLastPositions } from "../../store/inboxes/find-inboxes.ts";
import { findUnplaced, type InboxName, placeMessages } from "../../store/inboxes/place-messages.ts";
import type { ConsumerClaims } from "./consumer-claims.ts";
import { type Wait, WaitGroups, type WaitOutcome } from "./wait-group.ts";

/** How soon a message is seen that another node has stored. */
const ROUND_INTERVAL_MS = 300;
/** While no request waits here, messages get their positions this seldom. */
const IDLE_INTERVAL_MS = 10_000;
/** Its owner gives messages their positions that no reader waits for. */
const PLACING_SHARD = 0;
const INBOXES_PER_ROUND_MAX = 100;
const MESSAGES_PER_STEP_MAX = 500;
/** From one inbox in a round, so that the others have their turn. */
const STEPS_PER_ROUND_MAX = 10;

interface InboxFeedOptions {
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "has">;
  readonly inlineResultBytesMax: number;
  readonly claims: Pick<ConsumerClaims, "retry" | "onUnreleased">;
}

interface Watched {
  readonly inbox: InboxName;
  /** Positions that at least one request waits to see passed. */
  readonly positions: Set<number>;
}

/**
 * Gives the messages of inboxes their positions, and wakes the requests that wait for them. One round
 * serves all that wait here, in two statements besides one for each inbox that has new messages; none
 * while no request waits. A message that this node stores begins a round at once.
 */
export class InboxFeed implements Service {
  readonly name = "inbox feed";
  readonly #runtime: Pick<Runtime, "clock" | "uuids">;
  readonly #clock: Clock;
  readonly #options: InboxFeedOptions;
  readonly #repeater: Repeater;
  readonly #watched = new Map<string, Watched>();
  readonly #waits: WaitGroups;

  constructor(
    runtime: Pick<Runtime, "clock" | "log" | "random" | "uuids">,
    options: InboxFeedOptions,
  ) {
    this.#runtime = runtime;
    this.#clock = runtime.clock;
    this.#waits = new WaitGroups(runtime.clock);
    this.#options = options;
    this.#repeater = new Repeater(runtime, {
      name: "place messages in inboxes",
      intervalMs: ROUND_INTERVAL_MS,
      restIntervalMs: IDLE_INTERVAL_MS,
      task: () => this.round(),
    });
    options.claims.onUnreleased = () => this.#repeater.hurry();
  }

  /** Requests that wait. */
  get size(): number {
    return this.#waits.requests;
  }

  start(): Promise<void> {
    return this.#repeater.start();
  }

  async stop(): Promise<void> {
    this.beginStopping();
    await this.#repeater.stop();
  }

  /** Ends all waits. Later ones are short. */
  beginStopping(): void {
    this.#waits.beginStopping();
  }

  /** This node has stored messages. */
  stored(): void {
    if (this.#watched.size > 0) this.#repeater.trigger();
  }

  /**
   * Resolves with `settled` when there are messages behind the position, at the latest after
   * `timeoutMs`. Never rejects.
   */
  waitFor(inbox: InboxName, position: number, wait: Wait): Promise<WaitOutcome> {
    this.#repeater.hurry();
    const key = keyOf(inbox);
    const watched = this.#watched.get(key) ?? { inbox, positions: new Set<number>() };
    this.#watched.set(key, watched);
    watched.positions.add(position);
    return this.#waits.join(positionKey(inbox, position), wait, () => {
      watched.positions.delete(position);
      if (watched.positions.size === 0) this.#watched.delete(key);
    });
  }

  /** Gives the messages of one inbox their positions that are stored now, as far as a step goes. */
  async place(database: Database, inbox: InboxName): Promise<number> {
    const { uuids } = this.#runtime;
    const nowMs = this.#clock.now();
    const { inlineResultBytesMax } = this.#options;
    const limit = MESSAGES_PER_STEP_MAX;
    const step = { newId: uuids(nowMs, 0), nowMs, limit, inlineResultBytesMax };
    return placeMessages(database, inbox, step);
  }

  async round(): Promise<void> {
    const { shards, claims } = this.#options;
    const failures: unknown[] = [];
    const keep = (error: unknown): void => void failures.push(error);
    const watched = [...this.#watched.values()];
    if (watched.length > 0) this.#repeater.hurry();
    if (watched.length > 0 || shards.has(PLACING_SHARD)) await this.#placeAndWake(watched, keep);
    // Last, since a consumer's row that is locked must hold up no messages.
    await claims.retry().catch(keep);
    if (failures.length > 0) throw failures[0];
  }

  async #placeAndWake(watched: readonly Watched[], keep: (error: unknown) => void): Promise<void> {
    const { database } = this.#options;
    for (const inbox of await findUnplaced(database, INBOXES_PER_ROUND_MAX)) {
      await this.#placeSome(inbox).catch(keep);
    }
    if (watched.length > 0) await this.#wake(watched);
  }

  async #placeSome(inbox: InboxName): Promise<void> {
    for (let step = 0; step < STEPS_PER_ROUND_MAX; step += 1) {
      const placed = await this.place(this.#options.database, inbox);
      if (placed < MESSAGES_PER_STEP_MAX) return;
    }
    this.#repeater.trigger();
  }

  async #wake(watched: readonly Watched[]): Promise<void> {
    const { database } = this.#options;
    const positions = await findLastPositions(
      database,
      watched.map(({ inbox }) => inbox),
    );
    for (const { lastPosition, ...inbox } of positions) {
      const { positions: awaited = [] } = this.#watched.get(keyOf(inbox)) ?? {};
      for (const position of awaited) {
        if (position < lastPosition) this.#waits.settle(positionKey(inbox, position));
      }
    }
  }
}

function keyOf({ projectId, name }: InboxName): string {
  return `${projectId}/${name}`;
}

function positionKey(inbox: InboxName, position: number): string {
  return `${keyOf(inbox)}/${position}`;
}
