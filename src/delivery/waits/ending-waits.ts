import type { OwnedShards } from "../../runtime/owned-shards.ts";
import { Repeater } from "../../runtime/repeater.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import type { RowKey } from "../../store/sql/row-source.ts";
import { findSettled } from "../../store/subscriptions/find-ending.ts";
import { WaitGroups, type WaitOutcome } from "./wait-group.ts";

/** How soon the ending of a job that another node polls is seen. */
const ROUND_INTERVAL_MS = 400;
const REST_INTERVAL_MS = 30_000;
/** Jobs that this node polls are looked at this seldom: it records their endings itself. */
const ROUNDS_PER_FULL_ROUND = 10;
/** Subscriptions that one statement asks about. */
const KEYS_PER_STATEMENT_MAX = 2_000;

/** A subscription whose job has not ended. */
type AwaitedSubscription = RowKey & { readonly jobRowId: string };

/** A subscription that at least one request waits for. */
interface Awaited {
  readonly subscription: AwaitedSubscription;
  /** The round that has to look again, since somebody began to wait after an earlier one. */
  joinedInRound: number;
  isChecked: boolean;
}

/**
 * Lets requests wait for the end of jobs, however many, without a statement for each: what this node
 * records it tells them at once, and one reader asks about all others together. A request looks before
 * it waits; the next round looks once more, so that an ending in between is seen.
 */
export class EndingWaits extends Repeater {
  readonly #database: Database;
  readonly #shards: Pick<OwnedShards, "has">;
  readonly #waits: WaitGroups;
  readonly #awaited = new Map<string, Awaited>();
  readonly #byJob = new Map<string, Set<Awaited>>();
  #round = 0;

  constructor(
    runtime: Pick<Runtime, "clock" | "log" | "random">,
    database: Database,
    shards: Pick<OwnedShards, "has">,
  ) {
    super(runtime, {
      name: "look for endings that are waited for",
      intervalMs: ROUND_INTERVAL_MS,
      restIntervalMs: REST_INTERVAL_MS,
      task: () => this.round(),
    });
    this.#waits = new WaitGroups(runtime.clock);
    this.#database = database;
    this.#shards = shards;
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

  /**
   * Resolves with `settled` when the job has ended or the subscription was closed, at the latest after
   * `timeoutMs`. Never rejects.
   */
  wait(
    subscription: AwaitedSubscription,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<WaitOutcome> {
    this.hurry();
    const awaited = this.#awaitedOf(subscription);
    const forget = (): void => this.#forget(awaited);
    return this.#waits.join(subscription.id, { timeoutMs, signal }, forget);
  }

  /** This node has recorded the end of a job. */
  ended(jobRowId: string): void {
    // Few jobs are waited for.
    if (this.#byJob.size === 0) return;
    for (const { subscription } of this.#byJob.get(jobRowId) ?? [])
      this.#waits.settle(subscription.id);
  }

  /** Asks the database about jobs of other nodes; no statement when there are none. */
  async round(): Promise<void> {
    this.#round += 1;
    const round = this.#round;
    const isFull = round % ROUNDS_PER_FULL_ROUND === 0;
    const asked = [...this.#awaited.values()].filter(
      ({ isChecked, subscription }) =>
        isFull || !isChecked || !this.#shards.has(subscription.shardId),
    );
    for (let from = 0; from < asked.length; from += KEYS_PER_STATEMENT_MAX) {
      const some = asked.slice(from, from + KEYS_PER_STATEMENT_MAX);
      const settled = await findSettled(
        this.#database,
        some.map(({ subscription }) => subscription),
      );
      for (const id of settled) this.#waits.settle(id);
      for (const awaited of some) awaited.isChecked = awaited.joinedInRound < round;
    }
    if (this.#awaited.size > 0) this.hurry();
  }

  #awaitedOf(subscription: AwaitedSubscription): Awaited {
    const { id, jobRowId } = subscription;
    const known = this.#awaited.get(id);
    if (known !== undefined) {
      known.joinedInRound = this.#round;
      known.isChecked = false;
      return known;
    }
    const awaited: Awaited = { subscription, joinedInRound: this.#round, isChecked: false };
    this.#awaited.set(id, awaited);
    const ofJob = this.#byJob.get(jobRowId);
    if (ofJob === undefined) this.#byJob.set(jobRowId, new Set([awaited]));
    else ofJob.add(awaited);
    return awaited;
  }

  #forget(awaited: Awaited): void {
    const { id, jobRowId } = awaited.subscription;
    this.#awaited.delete(id);
    const ofJob = this.#byJob.get(jobRowId);
    ofJob?.delete(awaited);
    if (ofJob?.size === 0) this.#byJob.delete(jobRowId);
  }
}
