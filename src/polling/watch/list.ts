import { decideAtDeadline } from "../../core/job/last-poll.ts";
import {
  decideJobWait,
  type JobWait,
  type Waiting,
  type PollOutcome,
} from "../../core/waiting/job-wait.ts";
import type { PackedUuids } from "../../core/ids/packed-uuids.ts";
import { pollMoment } from "../../core/job/poll-moment.ts";
import { pollIntervalMs, takeOverDelayMs } from "../../core/job/poll-schedule.ts";
import { AlarmQueue } from "../../lanes/alarm-queue.ts";
import { fromMonotonic, toMonotonic } from "../../runtime/clock.ts";
import type { JobCheckpoint } from "../../store/writes/checkpoint-jobs.ts";
import type { StoredConnection } from "../../store/connections/load-connections.ts";
import type { LiveJob } from "../../store/jobs/load-jobs.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { Upstreams, type UpstreamsOptions } from "../upstream/upstreams.ts";
import { WatchTable } from "./table.ts";
import { takeCheckpoint, Watch } from "./watch.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** For a poll whose connection was lost while it was in progress. */
const REQUEST_TIMEOUT_MS_DEFAULT = 30_000;
/** Deadlines further away than this are looked at again by `inspectShard`. */
const DEADLINE_HORIZON_MS = 90_000;

interface WatchListOptions extends Omit<UpstreamsOptions, "poll" | "isCurrent"> {
  /** A watch's turn has come; ends with `settle` on the upstream's lane. */
  readonly poll: (upstream: Upstream, watch: Watch, generation: number) => void;
  /** A watch has reached its deadline and is neither ending nor dropped. */
  timeOut(watch: Watch): void;
}

/**
 * A job that was just accepted may have ended before; jobs that are loaded, perhaps a million of
 * them, are spread over their interval. Those of a shard that no node has served for a while go on
 * where their polls stopped (`takeOverDelayMs`).
 */
type FirstPoll = "at_once" | "spread" | { readonly unservedMs: number };

/** The state of a job in memory. */
export interface LiveJobView extends Pick<
  LiveJob,
  "status" | "progress" | "pollCount" | "lastPolledAtMs" | "lastError"
> {
  /** The cause that it waits for. */
  readonly wait: Waiting<JobWait>;
  /** The outcome of the latest poll by this node; null before the first. */
  readonly lastOutcome: PollOutcome | null;
  readonly lastHttpStatus: number | null;
  readonly nextPollAtMs: number | null;
}

/** The jobs that this node polls, in memory: when each is due, and its deadline. */
export class WatchList {
  readonly #runtime: Runtime;
  readonly #options: WatchListOptions;
  /** The connections that jobs are watched through. */
  readonly upstreams: Upstreams;
  readonly #table = new WatchTable();
  /** Holds slots, which another watch may have taken by then. */
  readonly #deadlines: AlarmQueue<number>;
  /** Connections that have, or had, watches which are parked. */
  readonly #parkedBy = new Set<string>();
  #closed = false;

  constructor(runtime: Runtime, options: WatchListOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.upstreams = new Upstreams(runtime, {
      ...options,
      poll: (upstream, slot, generation) => options.poll(upstream, this.#at(slot), generation),
      isCurrent: (slot, dueAtMs) => {
        const watch = this.#at(slot);
        return watch.dueAtMs === dueAtMs && watch.state === "scheduled";
      },
    });
    this.#deadlines = new AlarmQueue(runtime.clock, (slot) => this.#onDeadline(this.#at(slot)));
  }

  get size(): number {
    return this.#table.size;
  }

  /** The connection's lane; paused until the connection is known. */
  upstream(connectionId: string): Upstream {
    return this.upstreams.get(connectionId);
  }

  /** A connection is new or has changed. */
  configureConnection(connection: StoredConnection): void {
    this.upstreams.configure(connection);
    this.#unpark(connection.id);
  }

  /** A project's definition of a provider is new, has changed or was deleted. */
  providerChanged(projectId: string, provider: string): void {
    for (const upstream of this.upstreams.all()) {
      if (!upstream.isOf(projectId, provider)) continue;
      upstream.providerChanged();
      this.#unpark(upstream.connectionId);
    }
  }

  /** Watches a job, or learns that a watched one has got another subscription. */
  watch(job: LiveJob, firstPoll: FirstPoll): void {
    if (this.#closed) return;
    const known = this.#find(job.shardId, job.id);
    if (known !== null) {
      known.wantedEvents |= job.wantedEvents;
      known.deadlineAtMs = Math.max(known.deadlineAtMs, job.deadlineAtMs);
      return;
    }
    this.upstream(job.connectionId).projectId ??= job.projectId;
    const watch = this.#at(this.#table.add(job));
    this.upstreams.count(job.connectionId, 1);
    this.#setDeadlineAlarm(watch);
    const { atMs, intervalMs } = this.#firstPoll(watch, firstPoll);
    this.schedule(watch, atMs, intervalMs);
  }

  /**
   * Queues the watch's next poll.
   * @param atMs in the clock's `now()`; waited for by the monotonic clock, as far away as it is now
   * @param intervalMs how often the job is polled
   */
  schedule(watch: Watch, atMs: number, intervalMs = atMs - this.#runtime.clock.now()): void {
    const { clock } = this.#runtime;
    const [dueAtMs, nowMs] = [toMonotonic(clock, atMs), clock.monotonic()];
    const watchedJobs = this.#table.size;
    this.#queue(watch, pollMoment({ dueAtMs, nowMs, intervalMs, watchedJobs }));
  }

  /** Queues the next poll in the place of the last one, before all that fell due later. */
  scheduleInPlace(watch: Watch): void {
    this.#queue(watch, watch.dueAtMs);
  }

  #queue(watch: Watch, dueAtMs: number): void {
    watch.state = "scheduled";
    watch.pollAgain = false;
    watch.dueAtMs = dueAtMs;
    this.upstream(watch.connectionId).lane.push(watch.slot, dueAtMs);
  }

  /**
   * Holds back a watch that can't be asked about as things are: in its lane when that is paused,
   * else beside it, where it takes no turn of the others, until its connection or provider changes.
   */
  park(upstream: Upstream, watch: Watch): void {
    if (upstream.problem !== null) {
      this.schedule(watch, this.#runtime.clock.now());
      return;
    }
    watch.state = "scheduled";
    watch.pollAgain = false;
    watch.dueAtMs = Infinity;
    this.#parkedBy.add(upstream.connectionId);
  }

  /**
   * From now on the answers about a job are kept for those who ask. The next one has a body, whatever
   * tag the last one had.
   */
  observe(shardId: number, id: string): "not_here" | "from_now" | "since_before" {
    const watch = this.#find(shardId, id);
    if (watch === null) return "not_here";
    if (watch.isObserved) return "since_before";
    watch.isObserved = true;
    forgetTag(watch);
    return "from_now";
  }

  /** The same for people, who are shown the raw answers; returns the state of the job here, or null. */
  inspect(shardId: number, id: string): LiveJobView | null {
    const watch = this.#find(shardId, id);
    if (watch !== null && !watch.isInspected) {
      watch.isInspected = true;
      forgetTag(watch);
    }
    return this.view(shardId, id);
  }

  /** The project of a job that is watched here, or null. */
  projectOf(shardId: number, id: string): string | null {
    return this.#find(shardId, id)?.projectId ?? null;
  }

  /** Polls a job now, or once more if a poll is in progress. */
  pollNow(shardId: number, id: string): void {
    const watch = this.#find(shardId, id);
    if (watch === null) return;
    if (watch.state === "polling") watch.pollAgain = true;
    const { clock } = this.#runtime;
    const isWaiting = watch.state === "scheduled" && watch.dueAtMs > clock.monotonic();
    if (isWaiting) this.schedule(watch, clock.now());
  }

  /** Forgets a watch whose ending is recorded; harmless when it is forgotten already. */
  drop(watch: Watch): void {
    if (watch.state === "dropped") return;
    this.upstreams.count(watch.connectionId, -1);
    this.#table.drop(watch.slot);
  }

  /** Forgets a job that no subscription waits for any more. */
  unwatch(shardId: number, id: string): void {
    const watch = this.#find(shardId, id);
    if (watch !== null && watch.state !== "ending") this.drop(watch);
  }

  /**
   * Lets go of a shard that another node owns from now on.
   * @returns the jobs that clients ask about
   */
  dropShard(shardId: number): string[] {
    const observedIds: string[] = [];
    for (const slot of this.#table.ofShard(shardId)) {
      const watch = this.#at(slot);
      if (watch.isObserved) observedIds.push(watch.id);
      this.drop(watch);
    }
    return observedIds;
  }

  heldIds(shardId: number): PackedUuids {
    return this.#table.idsOfShard(shardId);
  }

  holds(shardId: number, id: string): boolean {
    return this.#table.find(shardId, id) !== null;
  }

  view(shardId: number, id: string): LiveJobView | null {
    const watch = this.#find(shardId, id);
    if (watch === null) return null;
    const problem = this.#problemOf(watch);
    const isDueSometime = watch.state === "scheduled" && problem === null;
    const { clock } = this.#runtime;
    const nextPollAtMs = isDueSometime ? fromMonotonic(clock, watch.dueAtMs) : null;
    const upstream = this.upstream(watch.connectionId);
    return {
      wait: decideJobWait({
        connection: upstream.facts(watch.providerVersionId),
        pollCount: watch.pollCount,
        outcome: watch.outcome,
        nextPollAtMs,
        isEnding: watch.state === "ending",
        lane: upstream.lane.status(),
        nowMs: clock.now(),
      }),
      lastOutcome: watch.outcome,
      lastHttpStatus: watch.httpStatus,
      status: watch.phase,
      progress: watch.progress,
      pollCount: watch.pollCount,
      lastPolledAtMs: watch.lastPolledAtMs,
      nextPollAtMs,
      lastError: problem ?? watch.lastError,
    };
  }

  /** Why the job makes no progress: it can't be polled, or the last poll failed; or null. */
  lastErrorOf(watch: Watch): string | null {
    return this.#problemOf(watch) ?? watch.lastError;
  }

  #problemOf(watch: Watch): string | null {
    return this.upstream(watch.connectionId).problemOf(watch.providerVersionId);
  }

  /** Looks through a shard: sets the alarms of deadlines that came near, returns what to check point. */
  inspectShard(shardId: number, checkpointsMax: number): JobCheckpoint[] {
    const checkpoints: JobCheckpoint[] = [];
    const nowMs = this.#runtime.clock.now();
    const { deadlineAtMs, pollCount, checkpointedPolls } = this.#table;
    // Most jobs have no news, and every job is looked at: from two columns, without a view of it.
    for (const slot of this.#table.ofShard(shardId)) {
      if ((deadlineAtMs[slot] ?? 0) - nowMs <= DEADLINE_HORIZON_MS) {
        this.#setDeadlineAlarm(this.#at(slot));
      }
      if (pollCount[slot] === checkpointedPolls[slot]) continue;
      if (checkpoints.length >= checkpointsMax) continue;
      const checkpoint = takeCheckpoint(this.#at(slot), nowMs);
      if (checkpoint !== null) checkpoints.push(checkpoint);
    }
    return checkpoints;
  }

  /** Begins no more polls. */
  close(): void {
    this.#closed = true;
    this.#deadlines.clear();
    this.upstreams.close();
  }

  /** Lets parked watches try again. Looks through all there are, which happens seldom enough. */
  #unpark(connectionId: string): void {
    if (!this.#parkedBy.delete(connectionId)) return;
    for (const slot of this.#table.all()) {
      const watch = this.#at(slot);
      const isParked = watch.state === "scheduled" && watch.dueAtMs === Infinity;
      if (isParked && watch.connectionId === connectionId) {
        this.schedule(watch, this.#runtime.clock.now());
      }
    }
  }

  #onDeadline(watch: Watch): void {
    if (watch.state === "ending" || watch.state === "dropped") return;
    const { clock } = this.#runtime;
    const nowMs = clock.now();
    if (watch.deadlineAtMs > nowMs) {
      this.#setDeadlineAlarm(watch);
      return;
    }
    const upstream = this.upstream(watch.connectionId);
    const access = upstream.accessOf(watch.providerVersionId);
    const step = decideAtDeadline({
      isPolling: watch.state === "polling",
      deadlineAtMs: watch.deadlineAtMs,
      dueAtMs: fromMonotonic(clock, watch.dueAtMs),
      lastPolledAtMs: watch.lastPolledAtMs,
      wantsResult: watch.memory !== null && watch.memory.wanted !== null,
      canBeAsked: access !== null && upstream.lane.pausedUntilMs <= clock.monotonic(),
      requestTimeoutMs: access?.provider.exchangeMsMax ?? REQUEST_TIMEOUT_MS_DEFAULT,
      nowMs,
    });
    if (step.kind === "time_out") {
      this.#options.timeOut(watch);
      return;
    }
    if (step.kind === "poll_now") this.schedule(watch, nowMs);
    this.#deadlines.set(watch.slot, step.lookAgainAtMs);
  }

  #setDeadlineAlarm(watch: Watch): void {
    // Far ones would pile up: most jobs end long before.
    if (watch.deadlineAtMs - this.#runtime.clock.now() > DEADLINE_HORIZON_MS) return;
    this.#deadlines.set(watch.slot, watch.deadlineAtMs);
  }

  #firstPoll(watch: Watch, firstPoll: FirstPoll): { atMs: number; intervalMs: number } {
    const nowMs = this.#runtime.clock.now();
    const { schedule } = this.upstream(watch.connectionId).accessOf(watch.providerVersionId) ?? {};
    if (firstPoll === "at_once" || schedule === undefined) return { atMs: nowMs, intervalMs: 0 };
    const ageMs = nowMs - watch.acceptedAtMs;
    const intervalMs = pollIntervalMs(schedule, ageMs);
    const random = this.#runtime.random();
    if (firstPoll === "spread") return { atMs: nowMs + random * intervalMs, intervalMs };
    const untilDeadlineMs = watch.deadlineAtMs - nowMs;
    const { unservedMs } = firstPoll;
    const delayMs = takeOverDelayMs({ intervalMs, ageMs, untilDeadlineMs, unservedMs, random });
    return { atMs: nowMs + delayMs, intervalMs };
  }

  #at(slot: number): Watch {
    return new Watch(this.#table, slot);
  }

  #find(shardId: number, id: string): Watch | null {
    const slot = this.#table.find(shardId, id);
    return slot === null ? null : this.#at(slot);
  }
}

/** Lets the next answer have a body. */
function forgetTag(watch: Watch): void {
  if (watch.memory !== null) watch.memory = { ...watch.memory, etag: null, unchanged: null };
}
