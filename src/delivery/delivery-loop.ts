import type { RowKey } from "../store/sql/row-source.ts";
import type { ChangeSignal } from "../runtime/change-signal.ts";
import type { InboxFeed } from "./waits/inbox-feed.ts";
import { Idle } from "../runtime/stopping.ts";
import { logOriginChange, originEvent } from "./operational/delivery-events.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { BreakerLimits } from "../core/pace/breaker.ts";
import type { EventContent } from "../core/delivery/event.ts";
import { isInboxTarget } from "../core/delivery/inbox-target.ts";
import { publicId } from "../core/ids/ids.ts";
import type { LaneVerdict } from "../core/job/job.ts";
import type { RequestClient } from "../outbound/request-client.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Database } from "../store/db/database.ts";
import {
  loadDeliveries,
  type LoadedDelivery,
  type ReadDelivery,
} from "../store/deliveries/load-deliveries.ts";
import { DUE_ROWS_MAX, type DuePosition } from "../store/deliveries/find-due-deliveries.ts";
import type { OwedDelivery } from "../store/writes/record-events.ts";
import { attemptDelivery, type AttemptResult, type DelivererOptions } from "./attempt/deliverer.ts";
import { DueReader, HORIZON_MS } from "./due-reader.ts";
import { BlockedDeliveries } from "./blocked-deliveries.ts";
import type { LoopCrowd } from "../lanes/shares/loop-crowd.ts";
import { LoopTurns } from "../lanes/shares/loop-turns.ts";
import { EqualShares } from "../lanes/shares/equal-shares.ts";
import { type OriginChange, Outbox } from "./outbox/outbox.ts";
import { pendingDelivery, type PendingDelivery } from "./outbox/pending-delivery.ts";
import type { Runtime, Service } from "../runtime/runtime.ts";

const ROUND_INTERVAL_MS = 1000;
/** Crowded lanes make room many times a second; a round each time would not pay. */
const ROOM_INTERVAL_MS = 250;
/**
 * So many callbacks that were taken may wait to be recorded beside those in the lanes. A project may
 * have as many of them as it leaves free, so half if it is alone: two batches of their writer. All of
 * them would be sent once more if the process were killed.
 */
const TAKEN_UNRECORDED_MAX = 2000;
/** Attempts that begin between two looks at the sockets: some milliseconds of work. */
const BEGUN_PER_TURN_MAX = 32;
/** Attempts of each project in a millisecond, so that callbacks do not pile up where polls keep the event loop busy. */
const BEGUN_EACH_PER_MS = 1;
/** An attempt on a new connection takes about as much time as these on one that is open: name, sockets, TLS. */
const PIECES_OF_NEW_CONNECTION = 4;

export interface DeliveryLoopOptions extends DelivererOptions {
  /** Tells when deliveries may be due. */
  readonly dueChanges?: ChangeSignal | undefined;
  readonly database: Database;
  /** Results above this go by reference. */
  readonly inlineResultBytesMax: number;
  readonly callbackClient: Pick<RequestClient, "send" | "hasIdleConnection">;
  /** When an origin counts as failing, if not as usual. */
  readonly breaker?: BreakerLimits;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  readonly inboxFeed: Pick<InboxFeed, "stored">;
  /** The projects whose work shares the event loop. */
  readonly loopCrowd?: LoopCrowd;
}

/**
 * Sends due deliveries. They come from three sources: handed over when their event is recorded; named
 * by their ids; and read from the database shortly before they are due, which covers retries and
 * deliveries that were not handed over.
 */
export class DeliveryLoop implements Service {
  readonly outbox: Outbox;
  readonly #runtime: Runtime;
  readonly #options: DeliveryLoopOptions;
  readonly #reader: DueReader;
  readonly #blocked: BlockedDeliveries;
  readonly #rounds: Repeater;
  #roomAtMs = 0;
  /** For each read in progress, the deliveries that ended since it began: the read sees them as waiting. */
  readonly #readsInProgress = new Set<Set<string>>();
  /** To be read, and the reads of them in progress and to come. */
  readonly #asked: RowKey[] = [];
  #reading: Promise<void> | null = null;
  #nextRead: Promise<void> | null = null;
  readonly #idle = new Idle();
  /** Each origin has a lane of its own, so a project with many begins as many attempts at once. */
  readonly #beginnings: LoopTurns;
  readonly #takenUnrecorded = new EqualShares("attempts_unrecorded", TAKEN_UNRECORDED_MAX);

  constructor(runtime: Runtime, options: DeliveryLoopOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#beginnings = new LoopTurns({
      resource: "attempts_beginning",
      begunPerTurnMax: BEGUN_PER_TURN_MAX,
      guaranteedPerMs: BEGUN_EACH_PER_MS,
      crowd: options.loopCrowd,
    });
    this.outbox = new Outbox(runtime, {
      ...options,
      limitsOf: (projectId) => options.settings.of(projectId).limits,
      send: (callback) => void this.#attempt(callback),
      onRoom: () => this.#onRoom(),
      onOriginChange: (change) => this.#onOriginChange(change),
    });
    this.#reader = new DueReader(runtime, {
      ...options,
      outbox: this.outbox,
      admit: (load) => this.#admit(load),
    });
    this.#blocked = new BlockedDeliveries(runtime, { ...options, outbox: this.outbox });
    this.#rounds = new Repeater(runtime, {
      name: "load due deliveries",
      intervalMs: ROUND_INTERVAL_MS,
      changes: options.dueChanges,
      task: () => this.#round(),
    });
  }

  /** Attempts that wait for their project's turn of the event loop. */
  get attemptsWaiting(): number {
    return this.#beginnings.waiting;
  }

  start(): Promise<void> {
    return this.#rounds.start();
  }

  /** Begins no more attempts and waits for those in progress to be recorded. */
  async stop(): Promise<void> {
    this.outbox.close();
    await this.#rounds.stop();
    await this.#idle.reached();
  }

  /** Takes over what an event owes that was recorded just now. */
  enqueue(owed: readonly OwedDelivery[], event: EventContent, resultBytes: number): void {
    for (const delivery of owed) {
      // A message of an inbox is stored, which is all there is to do.
      if (isInboxTarget(delivery.callbackUrl)) this.#options.inboxFeed.stored();
      else this.#offer({ delivery, event, resultBytes, wasTooLarge: false });
    }
  }

  /**
   * Sends these deliveries if they are pending: a late subscription's, or redelivered by hand. One
   * statement reads for all that ask before it begins, and the next begins after it.
   */
  deliver(keys: readonly RowKey[]): Promise<void> {
    this.#asked.push(...keys);
    this.#nextRead ??= Promise.allSettled([this.#reading]).then(() => {
      this.#nextRead = null;
      this.#reading = this.#readAndOffer(this.#asked.splice(0));
      return this.#reading;
    });
    return this.#nextRead;
  }

  async #readAndOffer(keys: readonly RowKey[]): Promise<void> {
    const { database, inlineResultBytesMax } = this.#options;
    let left = keys;
    while (left.length > 0) {
      const page = left.slice(0, DUE_ROWS_MAX);
      const rows = await this.#read(() => loadDeliveries(database, page, inlineResultBytesMax));
      for (const row of rows) if (!row.isLeftOut) this.#offer(row);
      const again = rows.filter((row) => row.isLeftOut && this.#hasRoomFor(row));
      left = [...left.slice(DUE_ROWS_MAX), ...again.map(({ delivery }) => delivery)];
    }
  }

  /** False when it is left to the database, which is remembered. */
  #hasRoomFor(row: LoadedDelivery): boolean {
    const { projectId, callbackOrigin, nextAttemptAtMs } = row.delivery;
    if (this.outbox.roomFor(projectId, callbackOrigin) > 0) return true;
    if (this.outbox.isFull) this.#noteIfFull(row);
    else this.outbox.noteBacklog(projectId, callbackOrigin, nextAttemptAtMs);
    return false;
  }

  /** Looks at everything due again, soon. */
  reload(): void {
    this.#reader.rewind();
    this.#rounds.trigger();
  }

  async #round(): Promise<void> {
    await this.#reader.round();
    await this.#reader.sweepPage();
    await this.#blocked.round();
    if (this.outbox.size > 0 || this.outbox.failingOrigins.length > 0 || this.#reader.isBusy)
      this.#rounds.hurry();
  }

  /** Up to when deliveries are read that fall due, and how far they were read. */
  get readUpTo(): { readonly dueByMs: number; readonly dueAfter: DuePosition } {
    return this.#reader.readUpTo;
  }

  #onOriginChange(change: OriginChange): void {
    this.#rounds.hurry();
    logOriginChange(this.#runtime.log, change);
    this.#options.operationalEvents.publish(originEvent(change));
  }

  #onRoom(): void {
    const nowMs = this.#runtime.clock.monotonic();
    if (nowMs < this.#roomAtMs) return;
    this.#roomAtMs = nowMs + ROOM_INTERVAL_MS;
    this.#rounds.trigger();
  }

  #offer(row: LoadedDelivery): void {
    // A read in progress may still bring an older event of the same subscription.
    if (row.delivery.wantsProgress) this.#noteEnded(row.delivery.subscriptionId);
    if (!this.outbox.offer(this.#callback(row))) this.#noteIfFull(row);
  }

  /** Lets in what is read; returns all of it, let in or not. */
  async #admit(load: () => Promise<readonly ReadDelivery[]>): Promise<readonly ReadDelivery[]> {
    let all: readonly ReadDelivery[] = [];
    const rows = await this.#read(async () => (all = await load()));
    for (const row of rows) {
      if (!row.isLeftOut && !this.outbox.admit(this.#callback(row))) this.#noteIfFull(row);
    }
    return all;
  }

  /** Keeps rows that are unchanged and owned by this node. */
  async #read(load: () => Promise<readonly ReadDelivery[]>): Promise<readonly ReadDelivery[]> {
    const ended = new Set<string>();
    this.#readsInProgress.add(ended);
    try {
      const rows = await load();
      const { shards } = this.#options;
      return rows.filter(
        ({ delivery: { id, shardId, subscriptionId } }) =>
          shards.has(shardId) && !ended.has(id) && !ended.has(subscriptionId),
      );
    } finally {
      this.#readsInProgress.delete(ended);
    }
  }

  #noteEnded(id: string): void {
    for (const ended of this.#readsInProgress) ended.add(id);
  }

  #noteIfFull({ delivery }: LoadedDelivery): void {
    if (!this.outbox.isFull) return;
    this.#reader.noteOverflow(delivery.nextAttemptAtMs);
    this.#rounds.hurry();
  }

  #callback(loaded: LoadedDelivery): PendingDelivery {
    return pendingDelivery(loaded, this.#options.inlineResultBytesMax);
  }

  async #attempt(callback: PendingDelivery): Promise<void> {
    this.#idle.begin();
    let result: AttemptResult = NOT_KNOWN;
    try {
      const { projectId, callbackOrigin } = callback.delivery;
      const isOpen = this.#options.callbackClient.hasIdleConnection(projectId, callbackOrigin);
      const turn = this.#beginnings.begin(projectId, isOpen ? 1 : PIECES_OF_NEW_CONNECTION);
      if (turn !== null) await turn;
      result = await attemptDelivery(this.#runtime, this.#options, callback, (verdict) =>
        this.#onTaken(callback, verdict),
      );
    } catch (error) {
      // Still pending in the database: the next sweep finds it.
      this.#runtime.log.error(
        { err: error, delivery_id: publicId("delivery", callback.delivery.id) },
        "an attempt failed to be made or recorded",
      );
    }
    this.#noteEnded(callback.delivery.id);
    this.#settle(callback, result);
    this.#idle.end();
  }

  /** The receiver need not wait for the record: its lane goes on, as long as not too much is unrecorded. */
  #onTaken(callback: PendingDelivery, verdict: LaneVerdict): void {
    if (!this.#takenUnrecorded.tryTake(callback.delivery.projectId)) return;
    this.outbox.leaveLane(callback, verdict);
  }

  #settle(callback: PendingDelivery, { next, verdict, failure }: AttemptResult): void {
    if (failure !== undefined) this.outbox.noteFailure(callback, failure);
    if (!callback.isInLane) this.#takenUnrecorded.giveBack(callback.delivery.projectId);
    const horizonMs = this.#runtime.clock.now() + HORIZON_MS;
    // First, or what was held back by this attempt would be sent yet.
    if (next.kind === "gone") this.outbox.dropSubscription(callback.delivery.subscriptionId);
    if (next.kind === "retry" && next.atMs <= horizonMs) {
      // Released in the meantime: a row read since then has its last attempt, not its next.
      if (callback.state === "dropped") {
        this.#reader.rewind();
        this.#rounds.hurry();
      }
      this.outbox.retry(callback, next.atMs, verdict);
    } else {
      this.outbox.finish(callback, verdict);
    }
  }
}

/** The result of an attempt that could not be recorded. */
const NOT_KNOWN: AttemptResult = { next: { kind: "over" }, verdict: { kind: "inconclusive" } };
