import type { JobCheckpoint } from "../store/checkpoint-jobs.ts";
import type { LiveJob } from "../store/load-jobs.ts";
import type { AnswerMemory } from "./answer-memory.ts";

/**
 * A job that this node polls.
 *
 *   scheduled ──due──▶ polling ──still running──▶ scheduled
 *       │                 │
 *       └──deadline──▶ ending ◀──ended──┘        any ──▶ dropped (recorded, unwatched, shard lost)
 */
export type WatchState = "scheduled" | "polling" | "ending" | "dropped";

/** Everything known of a watched job; there may be a million of these, so it stays flat. */
export interface Watch {
  readonly id: string;
  readonly shardId: number;
  readonly connectionId: string;
  readonly provider: string;
  /** The definition it is polled by; null for the built-in one. */
  readonly providerVersionId: string | null;
  readonly jobId: string;
  readonly params: Readonly<Record<string, string>>;
  readonly acceptedAtMs: number;
  deadlineAtMs: number;
  wantedEvents: number;
  state: WatchState;
  phase: "pending" | "processing";
  progress: string | null;
  /** Whether its `job.processing` has been recorded. */
  processingAnnounced: boolean;
  /** Whether the upstream was ever seen to know the job. */
  seen: boolean;
  failuresInRow: number;
  /** When the next poll is due; an entry in a lane with another time is out of date. */
  dueAtMs: number;
  /** Somebody asked for a poll while one was under way. */
  pollAgain: boolean;
  pollCount: number;
  lastPolledAtMs: number | null;
  lastError: string | null;
  /** What its answers left behind for the next request; null for most providers. */
  memory: AnswerMemory | null;
  /** What the last checkpoint said, to tell whether another is worth a write. */
  checkpointedPolls: number;
  checkpointedError: string | null;
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

/**
 * A watch for a stored job, not yet scheduled.
 * @param intern returns one and the same string for equal texts: a million rows bring a million
 *   copies of their connection's id
 */
export function watchOf(job: LiveJob, intern: (text: string) => string): Watch {
  return {
    id: job.id,
    shardId: job.shardId,
    connectionId: intern(job.connectionId),
    provider: intern(job.provider),
    providerVersionId: job.providerVersionId === null ? null : intern(job.providerVersionId),
    jobId: job.jobId,
    params: job.params === "{}" ? NO_PARAMS : (JSON.parse(job.params) as Record<string, string>),
    acceptedAtMs: job.acceptedAtMs,
    deadlineAtMs: job.deadlineAtMs,
    wantedEvents: job.wantedEvents,
    state: "scheduled",
    phase: job.status,
    progress: job.progress,
    processingAnnounced: job.processingAnnounced,
    seen: job.seen,
    failuresInRow: 0,
    dueAtMs: Infinity,
    pollAgain: false,
    pollCount: job.pollCount,
    lastPolledAtMs: job.lastPolledAtMs,
    lastError: job.lastError,
    memory: null,
    checkpointedPolls: job.pollCount,
    checkpointedError: job.lastError,
  };
}

/**
 * What is worth writing down of a watch, or null: twice as many polls as last time, or another
 * error. So a long job costs a number of writes that grows with the logarithm of its polls.
 */
export function takeCheckpoint(watch: Watch): JobCheckpoint | null {
  const hasNews =
    watch.pollCount >= 2 * watch.checkpointedPolls || watch.lastError !== watch.checkpointedError;
  if (watch.pollCount === watch.checkpointedPolls || !hasNews) return null;
  watch.checkpointedPolls = watch.pollCount;
  watch.checkpointedError = watch.lastError;
  return {
    shardId: watch.shardId,
    id: watch.id,
    status: watch.phase,
    seen: watch.seen,
    pollCount: watch.pollCount,
    lastPolledAtMs: watch.lastPolledAtMs,
    lastError: watch.lastError,
    progress: watch.progress,
  };
}
