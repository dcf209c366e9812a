import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { Database } from "../store/db/database.ts";
import {
  BEFORE_ALL_DUE,
  DUE_ROWS_MAX,
  type DueDelivery,
  type DuePosition,
  findDueDeliveries,
  positionBefore,
} from "../store/deliveries/find-due-deliveries.ts";
import {
  FEW_DUE_ROWS_MAX,
  loadDeliveries,
  loadDeliveriesOfOrigin,
  type ReadDelivery,
} from "../store/deliveries/load-deliveries.ts";
import type { OriginQueue } from "./outbox/origin-queue.ts";
import type { Outbox } from "./outbox/outbox.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Deliveries due this soon are kept in memory. */
export const HORIZON_MS = 2000;
/** From time to time everything due is looked at again, whatever hand-over was missed. */
const SWEEP_INTERVAL_MS = 30_000;
/** However often there are rounds, what waits is looked through at one pace. */
export const PAGE_INTERVAL_MS = 1000;

interface DueReaderOptions {
  readonly database: Database;
  readonly outbox: Outbox;
  readonly inlineResultBytesMax: number;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  /** Lets in what is read; returns all of it, let in or not. */
  admit(load: () => Promise<readonly ReadDelivery[]>): Promise<readonly ReadDelivery[]>;
}

/**
 * Brings what is due from the database into the outbox:
 *
 * - forward: all that falls due, once, in the order of time;
 * - backlogs: of origins that were full or failing and have room now, what waits longest;
 * - sweep: everything due is looked at again, page by page, so that nothing is missed.
 *
 * Deliveries to an origin without room are passed over by its key alone and read only once there is
 * room. So a receiver that is away costs the same however much is owed to it.
 */
export class DueReader {
  readonly #runtime: Runtime;
  readonly #options: DueReaderOptions;
  /** All that is due up to here has been looked at. */
  #forward: DuePosition = BEFORE_ALL_DUE;
  /** Null while none is in progress. */
  #sweep: DuePosition | null = null;
  #sweepAtMs: number;
  #pageAtMs = 0;
  /** Before the earliest of what the outbox could not take at all. */
  #overflow: DuePosition | null = null;
  /** Grows with every rewind, so that a read in progress can't undo one. */
  #rewinds = 0;

  constructor(runtime: Runtime, options: DueReaderOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#sweepAtMs = runtime.clock.monotonic() + SWEEP_INTERVAL_MS;
  }

  async round(): Promise<void> {
    await this.#readForward();
    await this.#readBacklogs();
  }

  /** One page of a sweep, or the beginning of the next one when its time has come. */
  async sweepPage(): Promise<void> {
    const nowMs = this.#runtime.clock.monotonic();
    if (nowMs < (this.#sweep === null ? this.#sweepAtMs : this.#pageAtMs)) return;
    if (this.#sweep === null) this.#sweepAtMs = nowMs + SWEEP_INTERVAL_MS;
    this.#pageAtMs = nowMs + PAGE_INTERVAL_MS;
    const page = await this.#readPage(this.#sweep ?? BEFORE_ALL_DUE);
    const last = page.at(-1);
    const isOver = page.length < DUE_ROWS_MAX || last === undefined;
    this.#sweep = isOver ? null : positionOf(last);
  }

  /** Whether a sweep is in progress, or something waits for room. */
  get isBusy(): boolean {
    const { readableBacklogs } = this.#options.outbox;
    return this.#sweep !== null || this.#overflow !== null || readableBacklogs.length > 0;
  }

  get readUpTo(): { readonly dueByMs: number; readonly dueAfter: DuePosition } {
    return { dueByMs: this.#runtime.clock.now() + HORIZON_MS, dueAfter: this.#forward };
  }

  /** Looks at everything due again in the next round. */
  rewind(): void {
    this.#rewindTo(BEFORE_ALL_DUE);
  }

  /** The outbox was full to the brim when this came. */
  noteOverflow(dueAtMs: number): void {
    const position = positionBefore(dueAtMs);
    if (this.#overflow === null || dueAtMs < this.#overflow.nextAttemptAtMs) {
      this.#overflow = position;
    }
  }

  async #readForward(): Promise<void> {
    const { clock } = this.#runtime;
    const { outbox } = this.#options;
    // The database's clock was set back: what falls due now lies before what was read already.
    if (clock.now() + HORIZON_MS < this.#forward.nextAttemptAtMs) this.#rewindTo(BEFORE_ALL_DUE);
    if (this.#overflow !== null && !outbox.isFull) this.#rewindTo(this.#overflow);
    while (!outbox.isFull) {
      const rewinds = this.#rewinds;
      const page = await this.#readPage(this.#forward);
      const last = page.at(-1);
      if (last !== undefined && rewinds === this.#rewinds) this.#forward = positionOf(last);
      if (page.length < DUE_ROWS_MAX) return;
    }
  }

  async #readPage(after: DuePosition): Promise<readonly DueDelivery[]> {
    const { clock } = this.#runtime;
    const { database, inlineResultBytesMax } = this.#options;
    const shardIds = this.#options.shards.list;
    if (shardIds.length === 0) return [];
    const dueByMs = clock.now() + HORIZON_MS;
    const page = await findDueDeliveries(database, { shardIds, dueByMs, after });
    let wanted = this.#wanted(page);
    while (wanted.length > 0) {
      const keys = wanted;
      const read = await this.#options.admit(() =>
        loadDeliveries(database, keys, inlineResultBytesMax),
      );
      wanted = this.#wanted(
        read.filter(({ isLeftOut }) => isLeftOut).map(({ delivery }) => delivery),
      );
    }
    return page;
  }

  /** Those that there is room for; the others are remembered as their origin's backlog. */
  #wanted<Due extends DueDelivery>(page: readonly Due[]): Due[] {
    const { outbox } = this.#options;
    const rooms = new Map<string, number>();
    return page.filter(({ id, projectId, callbackOrigin, nextAttemptAtMs }) => {
      if (outbox.holds(id)) return false;
      const key = `${projectId} ${callbackOrigin}`;
      const room = rooms.get(key) ?? outbox.roomFor(projectId, callbackOrigin);
      rooms.set(key, room - 1);
      if (room > 0) return true;
      if (outbox.isFull) this.noteOverflow(nextAttemptAtMs);
      else outbox.noteBacklog(projectId, callbackOrigin, nextAttemptAtMs);
      return false;
    });
  }

  async #readBacklogs(): Promise<void> {
    for (const queue of this.#options.outbox.readableBacklogs) await this.#readBacklog(queue);
  }

  async #readBacklog(queue: OriginQueue): Promise<void> {
    let room = this.#options.outbox.room(queue);
    while (room > 0) {
      const after = queue.takeBacklog();
      if (after === null) return;
      let rest: DuePosition | null = after;
      try {
        rest = await this.#readBacklogPage(queue, after, room <= FEW_DUE_ROWS_MAX);
      } finally {
        this.#options.outbox.endReading(queue, rest);
      }
      room = this.#options.outbox.room(queue);
    }
  }

  /** Returns where to go on, or null when that was all. */
  async #readBacklogPage(
    queue: OriginQueue,
    after: DuePosition,
    isFew: boolean,
  ): Promise<DuePosition | null> {
    const { clock } = this.#runtime;
    const { database, inlineResultBytesMax } = this.#options;
    const shardIds = this.#options.shards.list;
    if (shardIds.length === 0) return null;
    const query = {
      projectId: queue.projectId,
      callbackOrigin: queue.origin,
      shardIds,
      // As far as the forward read has come, since it skipped this origin.
      dueByMs: Math.max(clock.now() + HORIZON_MS, this.#forward.nextAttemptAtMs),
      after,
      isFew,
      inlineResultBytesMax,
    };
    const rows = await this.#options.admit(() => loadDeliveriesOfOrigin(database, query));
    const leftOut = rows.findIndex(({ isLeftOut }) => isLeftOut);
    const read = leftOut === -1 ? rows : rows.slice(0, leftOut);
    const last = read.at(-1)?.delivery;
    const isAll = leftOut === -1 && rows.length < (isFew ? FEW_DUE_ROWS_MAX : DUE_ROWS_MAX);
    return isAll || last === undefined ? null : positionOf(last);
  }

  #rewindTo(position: DuePosition): void {
    this.#forward = position;
    this.#overflow = null;
    this.#rewinds += 1;
  }
}

function positionOf({ nextAttemptAtMs, id }: DuePosition): DuePosition {
  return { nextAttemptAtMs, id };
}
