import type { Absence } from "../../core/job/absence.ts";
import { readUuidWords, UUID_WORDS, writeUuidWords, SHARD_COUNT } from "../../core/ids/ids.ts";
import { type PackedUuids, IdIndex } from "../../core/ids/packed-uuids.ts";
import type { UnreadableStreak } from "../../core/job/unreadable-answers.ts";
import type { LiveJob } from "../../store/jobs/load-jobs.ts";
import type { AnswerMemory } from "./answer-memory.ts";

const CAPACITY_INITIAL = 1024;
const GROWTH = 1.5;
const NO_SLOT = -1;

/**
 * A job that this node polls.
 *
 *   scheduled ──due──▶ polling ──still running──▶ scheduled
 *       │                 │
 *       └──deadline──▶ ending ◀──ended──┘        any ──▶ dropped (recorded, unwatched, shard lost)
 */
export type WatchState = "scheduled" | "polling" | "ending" | "dropped";

/** Whose job it is, by which connection it is polled, and by which definition. */
type JobRoute = Pick<LiveJob, "projectId" | "connectionId" | "provider" | "providerVersionId">;

interface Route {
  readonly key: string;
  readonly route: JobRoute;
  /** How many slots have it. */
  watches: number;
}

/** Columns that are empty for most jobs. */
export interface WatchNotes {
  readonly params: Readonly<Record<string, string>>;
  readonly progress: string | null;
  readonly lastError: string | null;
  readonly checkpointedError: string | null;
  readonly memory: AnswerMemory | null;
  readonly absence: Absence | null;
  readonly unreadable: UnreadableStreak | null;
}

export const NO_NOTES: WatchNotes = Object.freeze({
  params: Object.freeze({}),
  progress: null,
  lastError: null,
  checkpointedError: null,
  memory: null,
  absence: null,
  unreadable: null,
});

const STATES = ["dropped", "scheduled", "polling", "ending"] as const satisfies WatchState[];
const STATE_CODES: Readonly<Record<WatchState, number>> = {
  dropped: 0,
  scheduled: 1,
  polling: 2,
  ending: 3,
};

/** Bits of a watch's flags. */
export const FLAGS = {
  processing: 1,
  processingAnnounced: 2,
  seen: 4,
  pollAgain: 8,
  observed: 16,
  inspected: 32,
} as const;

/**
 * The watches of this node as columns: a slot is a row, and `Watch` a view of it. As objects
 * a million of them would take four times the memory and be looked through by every collection of
 * garbage; so they take about 130 bytes each, most of it outside of the heap.
 *
 * A slot is given out again once its watch is dropped and no longer held. Code that keeps a slot's
 * number without holding it, as lanes and alarms do, looks at its times before acting on it.
 */
export class WatchTable {
  /** By the monotonic clock; the other times are epoch milliseconds. */
  dueAtMs = new Float64Array(CAPACITY_INITIAL);
  acceptedAtMs = new Float64Array(CAPACITY_INITIAL);
  deadlineAtMs = new Float64Array(CAPACITY_INITIAL);
  /** NaN before the first poll. */
  lastPolledAtMs = new Float64Array(CAPACITY_INITIAL);
  pollCount = new Uint32Array(CAPACITY_INITIAL);
  checkpointedPolls = new Uint32Array(CAPACITY_INITIAL);
  failuresInRow = new Uint32Array(CAPACITY_INITIAL);
  wantedEvents = new Uint16Array(CAPACITY_INITIAL);
  /** HTTP status of the latest answer; 0 for none. */
  httpStatus = new Uint16Array(CAPACITY_INITIAL);
  /** Place of the latest poll's outcome in `POLL_OUTCOMES`, counted from 1; 0 before a poll by this node. */
  outcome = new Uint8Array(CAPACITY_INITIAL);
  flags = new Uint8Array(CAPACITY_INITIAL);
  readonly jobIds: string[] = [];
  readonly notes: WatchNotes[] = [];
  #states = new Uint8Array(CAPACITY_INITIAL);
  #holders = new Uint8Array(CAPACITY_INITIAL);
  #shards = new Uint8Array(CAPACITY_INITIAL);
  #routeNumbers = new Uint32Array(CAPACITY_INITIAL);
  #idWords = new Uint32Array(CAPACITY_INITIAL * UUID_WORDS);
  /** The neighbours in a shard's list; of a free slot, `#next` is the next free one. */
  #next = new Int32Array(CAPACITY_INITIAL);
  #previous = new Int32Array(CAPACITY_INITIAL);
  readonly #firstOfShard = new Int32Array(SHARD_COUNT).fill(NO_SLOT);
  readonly #index = new IdIndex(this.#idWords);
  readonly #wantedWords = new Uint32Array(UUID_WORDS);
  readonly #routes: Route[] = [];
  readonly #routeNumberOf = new Map<string, number>();
  /** Numbers of routes that no watch takes any more, to be given out again. */
  readonly #freeRoutes: number[] = [];
  #firstFree = NO_SLOT;
  /** Slots from here on were never used. */
  #used = 0;
  #size = 0;

  /** Watches that are not dropped. */
  get size(): number {
    return this.#size;
  }

  /** The slot of a job's watch, or null. */
  find(shardId: number, id: string): number | null {
    writeUuidWords(id, this.#wantedWords);
    const slot = this.#index.find(this.#wantedWords);
    return slot === NO_SLOT || this.#shards[slot] !== shardId ? null : slot;
  }

  /** The slots of a shard's watches. Who looks through them may drop the one at hand, and no other. */
  *ofShard(shardId: number): Generator<number> {
    let slot = this.#firstOfShard[shardId] ?? NO_SLOT;
    while (slot !== NO_SLOT) {
      const next = this.#next[slot] ?? NO_SLOT;
      yield slot;
      slot = next;
    }
  }

  idsOfShard(shardId: number): PackedUuids {
    const slots = [...this.ofShard(shardId)];
    const words = new Uint32Array(slots.length * UUID_WORDS);
    for (let word = 0; word < words.length; word += 1) {
      const slot = slots[Math.floor(word / UUID_WORDS)] ?? NO_SLOT;
      words[word] = this.#idWords[slot * UUID_WORDS + (word % UUID_WORDS)] ?? 0;
    }
    return words;
  }

  *all(): Generator<number> {
    for (let shardId = 0; shardId < SHARD_COUNT; shardId += 1) yield* this.ofShard(shardId);
  }

  /** Watches a stored job that is not watched; its first poll is for others to schedule. */
  add(job: LiveJob): number {
    const slot = this.#takeSlot();
    this.#states[slot] = STATE_CODES.scheduled;
    this.#shards[slot] = job.shardId;
    this.#routeNumbers[slot] = this.#takeRoute(job);
    this.dueAtMs[slot] = Infinity;
    this.acceptedAtMs[slot] = job.acceptedAtMs;
    this.deadlineAtMs[slot] = job.deadlineAtMs;
    this.lastPolledAtMs[slot] = job.lastPolledAtMs ?? Number.NaN;
    this.pollCount[slot] = job.pollCount;
    this.checkpointedPolls[slot] = job.pollCount;
    this.failuresInRow[slot] = 0;
    this.wantedEvents[slot] = job.wantedEvents;
    this.httpStatus[slot] = 0;
    this.outcome[slot] = 0;
    this.flags[slot] =
      (job.status === "processing" ? FLAGS.processing : 0) |
      (job.processingAnnounced ? FLAGS.processingAnnounced : 0) |
      (job.seen ? FLAGS.seen : 0);
    this.jobIds[slot] = job.jobId;
    this.notes[slot] = notesOf(job);
    writeUuidWords(job.id, this.#idWords, slot * UUID_WORDS);
    this.#index.add(slot);
    this.#link(slot, job.shardId);
    this.#size += 1;
    return slot;
  }

  /** Forgets a watch; harmless when it is gone already. */
  drop(slot: number): void {
    if (this.#states[slot] === STATE_CODES.dropped) return;
    this.#states[slot] = STATE_CODES.dropped;
    this.#index.remove(slot);
    this.#unlink(slot);
    this.#size -= 1;
    if (this.#holders[slot] === 0) this.#free(slot);
  }

  /** How many connections, providers and versions of these the watches have, each combination once. */
  get routeCount(): number {
    return this.#routeNumberOf.size;
  }

  /** Keeps the slot from being given out again, whatever becomes of its watch, until `release`. */
  hold(slot: number): void {
    this.#holders[slot] = (this.#holders[slot] ?? 0) + 1;
  }

  release(slot: number): void {
    const holders = (this.#holders[slot] ?? 1) - 1;
    this.#holders[slot] = holders;
    if (holders === 0 && this.#states[slot] === STATE_CODES.dropped) this.#free(slot);
  }

  idOf(slot: number): string {
    return readUuidWords(this.#idWords, slot * UUID_WORDS);
  }

  shardOf(slot: number): number {
    return this.#shards[slot] ?? 0;
  }

  stateOf(slot: number): WatchState {
    return STATES[this.#states[slot] ?? 0] ?? "dropped";
  }

  /** Does nothing to a dropped watch: only {@link drop} leads there and nothing leads out. */
  setState(slot: number, state: Exclude<WatchState, "dropped">): void {
    if (this.#states[slot] !== STATE_CODES.dropped) this.#states[slot] = STATE_CODES[state];
  }

  routeOf(slot: number): JobRoute {
    return this.#routeAt(slot).route;
  }

  #routeAt(slot: number): Route {
    const route = this.#routes[this.#routeNumbers[slot] ?? 0];
    if (route === undefined) throw new Error(`Slot ${slot} was never used.`);
    return route;
  }

  /** A million jobs share a few connections, providers and versions of these. */
  #takeRoute({ projectId, connectionId, provider, providerVersionId }: LiveJob): number {
    const key = `${connectionId}/${provider}/${providerVersionId}`;
    const known = this.#routeNumberOf.get(key);
    const route = known === undefined ? undefined : this.#routes[known];
    if (known !== undefined && route !== undefined) {
      route.watches += 1;
      return known;
    }
    const number = this.#freeRoutes.pop() ?? this.#routes.length;
    const made = Object.freeze({ projectId, connectionId, provider, providerVersionId });
    this.#routes[number] = { key, route: made, watches: 1 };
    this.#routeNumberOf.set(key, number);
    return number;
  }

  /** A project can make as many versions and connections as it likes, one after the other. */
  #leaveRoute(slot: number): void {
    const left = this.#routeAt(slot);
    left.watches -= 1;
    if (left.watches > 0) return;
    this.#routeNumberOf.delete(left.key);
    this.#freeRoutes.push(this.#routeNumbers[slot] ?? 0);
  }

  #takeSlot(): number {
    const free = this.#firstFree;
    if (free !== NO_SLOT) {
      this.#firstFree = this.#next[free] ?? NO_SLOT;
      return free;
    }
    if (this.#used === this.#states.length) this.#grow();
    this.#used += 1;
    return this.#used - 1;
  }

  #free(slot: number): void {
    this.#leaveRoute(slot);
    this.jobIds[slot] = "";
    this.notes[slot] = NO_NOTES;
    this.#next[slot] = this.#firstFree;
    this.#firstFree = slot;
  }

  #link(slot: number, shardId: number): void {
    const first = this.#firstOfShard[shardId] ?? NO_SLOT;
    this.#next[slot] = first;
    this.#previous[slot] = NO_SLOT;
    if (first !== NO_SLOT) this.#previous[first] = slot;
    this.#firstOfShard[shardId] = slot;
  }

  #unlink(slot: number): void {
    const next = this.#next[slot] ?? NO_SLOT;
    const previous = this.#previous[slot] ?? NO_SLOT;
    if (next !== NO_SLOT) this.#previous[next] = previous;
    if (previous === NO_SLOT) this.#firstOfShard[this.shardOf(slot)] = next;
    else this.#next[previous] = next;
  }

  #grow(): void {
    const capacity = Math.ceil(this.#states.length * GROWTH);
    this.dueAtMs = grown(this.dueAtMs, new Float64Array(capacity));
    this.acceptedAtMs = grown(this.acceptedAtMs, new Float64Array(capacity));
    this.deadlineAtMs = grown(this.deadlineAtMs, new Float64Array(capacity));
    this.lastPolledAtMs = grown(this.lastPolledAtMs, new Float64Array(capacity));
    this.pollCount = grown(this.pollCount, new Uint32Array(capacity));
    this.checkpointedPolls = grown(this.checkpointedPolls, new Uint32Array(capacity));
    this.failuresInRow = grown(this.failuresInRow, new Uint32Array(capacity));
    this.wantedEvents = grown(this.wantedEvents, new Uint16Array(capacity));
    this.httpStatus = grown(this.httpStatus, new Uint16Array(capacity));
    this.outcome = grown(this.outcome, new Uint8Array(capacity));
    this.flags = grown(this.flags, new Uint8Array(capacity));
    this.#states = grown(this.#states, new Uint8Array(capacity));
    this.#holders = grown(this.#holders, new Uint8Array(capacity));
    this.#shards = grown(this.#shards, new Uint8Array(capacity));
    this.#routeNumbers = grown(this.#routeNumbers, new Uint32Array(capacity));
    this.#idWords = grown(this.#idWords, new Uint32Array(capacity * UUID_WORDS));
    this.#next = grown(this.#next, new Int32Array(capacity));
    this.#previous = grown(this.#previous, new Int32Array(capacity));
    this.#index.words = this.#idWords;
  }
}

type Column = Float64Array | Uint32Array | Int32Array | Uint16Array | Uint8Array;

function grown<Grown extends Column>(old: Grown, larger: Grown): Grown {
  larger.set(old);
  return larger;
}

function notesOf({ params, progress, lastError }: LiveJob): WatchNotes {
  if (params === "{}" && progress === null && lastError === null) return NO_NOTES;
  return {
    params: params === "{}" ? NO_NOTES.params : (JSON.parse(params) as Record<string, string>),
    progress,
    lastError,
    checkpointedError: lastError,
    memory: null,
    absence: null,
    unreadable: null,
  };
}
