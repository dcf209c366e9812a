import type { ChangeSignal } from "../runtime/change-signal.ts";
import type { DeliveryLoop } from "./delivery-loop.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import { FAN_OUT_ROWS_FIRST, fanOutRestMs, fanOutRows } from "../core/pace/steps.ts";
import type { LoopCrowd } from "../lanes/shares/loop-crowd.ts";
import { Turns } from "../lanes/shares/turns.ts";
import { Pauses } from "../runtime/stopping.ts";
import { Repeater } from "../runtime/repeater.ts";
import { commitRetryDelayMs } from "../store/db/commit-outcome.ts";
import type { Database } from "../store/db/database.ts";
import {
  type FannedOutEvent,
  findFannedOutEvent,
  findFanOuts,
  stepFanOut,
} from "../store/writes/fan-out.ts";
import type { FanOutKey } from "../store/writes/record-events.ts";
import type { Runtime } from "../runtime/runtime.ts";

const SEARCH_INTERVAL_MS = 1_000;
/** Fan-outs held at once; the others are found when some of these are finished. */
const KNOWN_MAX = 1_000;
const KNOWN_PER_PROJECT_MAX = 16;
/** A step waits no longer for its job, so that it holds up no other fan-out. */
const STEP_BOUNDS = { lockTimeoutMs: 50, statementTimeoutMs: 3_000 } as const;

interface FanOutRunnerOptions {
  /** Tells when there may be fan-outs. */
  readonly changes?: ChangeSignal | undefined;
  readonly database: Database;
  /** Results above this go by reference. */
  readonly inlineResultBytesMax: number;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  /** Sends the deliveries of a step; it finds lost ones by their due time. */
  readonly deliveryLoop: Pick<DeliveryLoop, "enqueue">;
  /** The projects that are at work. */
  readonly loopCrowd?: Pick<LoopCrowd, "isCrowded">;
}

interface FanOut {
  readonly id: string;
  readonly key: FanOutKey;
  /** Since its last step. */
  failures: number;
  /** By the monotonic clock: not before then. */
  pausedUntilMs: number;
}

/**
 * Owes events of jobs with many subscriptions to all of them, a step at a time. The projects take
 * turns, and the fan-outs of a project; between two steps is a rest as long as the step, or longer in a crowd. A fan-out
 * belongs to the owner of its job's shard, which continues from the stored position.
 */
export class FanOutRunner extends Repeater {
  readonly #runtime: Runtime;
  readonly #options: FanOutRunnerOptions;
  readonly #known = new Map<string, FanOut>();
  readonly #knownOfProject = new Map<string, number>();
  readonly #turns = new Turns<FanOut>("fan_outs");
  readonly #pauses: Pauses;
  /** How many subscriptions the next step looks at. */
  #rows = FAN_OUT_ROWS_FIRST;
  /** The event of the last step. */
  #event: { readonly id: string; readonly content: FannedOutEvent } | null = null;
  #working: Promise<void> | null = null;

  constructor(runtime: Runtime, options: FanOutRunnerOptions) {
    super(runtime, {
      name: "search for fan-outs",
      intervalMs: SEARCH_INTERVAL_MS,
      changes: options.changes,
      task: () => this.#search(),
    });
    this.#runtime = runtime;
    this.#options = options;
    this.#pauses = new Pauses(runtime.clock);
  }

  /** Those in progress here. */
  get size(): number {
    return this.#known.size;
  }

  /** How long ago the oldest event in progress here occurred; 0 without any. */
  get oldestMs(): number {
    const nowMs = this.#runtime.clock.now();
    let oldestMs = 0;
    for (const { key } of this.#known.values()) {
      oldestMs = Math.max(oldestMs, nowMs - key.occurredAtMs);
    }
    return oldestMs;
  }

  /** Waits for the step in progress. */
  override async stop(): Promise<void> {
    this.#pauses.close();
    await super.stop();
    await this.#working;
  }

  /** Begins with one that was recorded just now. */
  begin(key: FanOutKey): void {
    const id = `${key.jobRowId} ${key.eventType}`;
    const ofProject = this.#knownOfProject.get(key.projectId) ?? 0;
    const isCrowded = this.#known.size >= KNOWN_MAX && ofProject > 0;
    if (this.#known.has(id) || isCrowded || ofProject >= KNOWN_PER_PROJECT_MAX) return;
    const fanOut = { id, key, failures: 0, pausedUntilMs: 0 };
    this.#known.set(id, fanOut);
    this.#knownOfProject.set(key.projectId, ofProject + 1);
    this.#queue(fanOut);
  }

  async #search(): Promise<void> {
    const shardIds = this.#options.shards.list;
    if (shardIds.length === 0) return;
    const found = await findFanOuts(this.#options.database, {
      shardIds,
      perProjectMax: KNOWN_PER_PROJECT_MAX,
      limit: KNOWN_MAX,
    });
    for (const key of found) this.begin(key);
    const nowMs = this.#runtime.clock.monotonic();
    for (const fanOut of this.#known.values()) {
      if (fanOut.failures > 0 && fanOut.pausedUntilMs <= nowMs) this.#queue(fanOut);
    }
  }

  #queue(fanOut: FanOut): void {
    this.#turns.add(fanOut.key.projectId, fanOut);
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    const { clock } = this.#runtime;
    // Ends no sooner than `#working` is set.
    await Promise.resolve();
    for (let fanOut = this.#next(); fanOut !== null; fanOut = this.#next()) {
      const startedAtMs = clock.monotonic();
      const goesOn = await this.#takeTurn(fanOut);
      const tookMs = clock.monotonic() - startedAtMs;
      this.#rows = fanOutRows(this.#rows, tookMs);
      if (!goesOn) this.#forget(fanOut);
      else if (fanOut.failures === 0) this.#turns.add(fanOut.key.projectId, fanOut);
      await this.#pauses.pause(fanOutRestMs(tookMs, this.#options.loopCrowd?.isCrowded === true));
    }
    this.#working = null;
  }

  #next(): FanOut | null {
    return this.#pauses.isClosed ? null : this.#turns.take();
  }

  /** False when nothing is left of it to do here. */
  async #takeTurn(fanOut: FanOut): Promise<boolean> {
    const { clock, log, random } = this.#runtime;
    const { shards } = this.#options;
    if (!shards.has(fanOut.key.shardId)) return false;
    try {
      const goesOn = await this.#step(fanOut);
      fanOut.failures = 0;
      return goesOn;
    } catch (error) {
      const pauseMs = commitRetryDelayMs(fanOut.failures, random());
      fanOut.failures += 1;
      fanOut.pausedUntilMs = clock.monotonic() + pauseMs;
      const { projectId, jobRowId, eventType } = fanOut.key;
      const fields = { err: error, projectId, jobRowId, eventType };
      log.warn(fields, "a step of a fan-out failed; retrying");
      return true;
    }
  }

  async #step({ key }: FanOut): Promise<boolean> {
    const { clock } = this.#runtime;
    const { database } = this.#options;
    const step = { key, subscriptions: this.#rows, nowMs: Math.floor(clock.now()) };
    const { owed, eventId, goesOn } = await stepFanOut(database, step, STEP_BOUNDS);
    if (owed.length === 0 || eventId === null) return goesOn;
    const event = await this.#eventOf(key.shardId, eventId);
    if (event !== null) this.#options.deliveryLoop.enqueue(owed, event, event.resultBytes);
    return goesOn;
  }

  async #eventOf(shardId: number, eventId: string): Promise<FannedOutEvent | null> {
    const { database, inlineResultBytesMax } = this.#options;
    if (this.#event?.id === eventId) return this.#event.content;
    const content = await findFannedOutEvent(database, { shardId, eventId }, inlineResultBytesMax);
    this.#event = content === null ? null : { id: eventId, content };
    return content;
  }

  #forget(fanOut: FanOut): void {
    this.#known.delete(fanOut.id);
    const left = (this.#knownOfProject.get(fanOut.key.projectId) ?? 1) - 1;
    if (left === 0) this.#knownOfProject.delete(fanOut.key.projectId);
    else this.#knownOfProject.set(fanOut.key.projectId, left);
  }
}
