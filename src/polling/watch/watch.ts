import type { Absence } from "../../core/job/absence.ts";
import { eventBit, type EventType, WANTS_RESULT_FETCHED } from "../../core/delivery/event.ts";
import type { UnreadableStreak } from "../../core/job/unreadable-answers.ts";
import { POLL_OUTCOMES, type PollOutcome } from "../../core/waiting/job-wait.ts";
import type { JobCheckpoint } from "../../store/writes/checkpoint-jobs.ts";
import type { AnswerMemory } from "./answer-memory.ts";
import { FLAGS, NO_NOTES, type WatchNotes, type WatchState, type WatchTable } from "./table.ts";

/**
 * A job that this node polls: a view of a slot of the {@link WatchTable}, made where it is needed
 * and not kept. A caller that keeps one across a wait, during which the job may be dropped, holds it.
 */
export class Watch {
  /** Names the watch among those of this node, as long as it is watched or held. */
  readonly slot: number;
  readonly #table: WatchTable;

  constructor(table: WatchTable, slot: number) {
    this.#table = table;
    this.slot = slot;
  }

  /** Keeps the state of this job until `release`, even when the job is dropped before. */
  hold(): void {
    this.#table.hold(this.slot);
  }

  release(): void {
    this.#table.release(this.slot);
  }

  get id(): string {
    return this.#table.idOf(this.slot);
  }

  get shardId(): number {
    return this.#table.shardOf(this.slot);
  }

  get projectId(): string {
    return this.#table.routeOf(this.slot).projectId;
  }

  get connectionId(): string {
    return this.#table.routeOf(this.slot).connectionId;
  }

  get provider(): string {
    return this.#table.routeOf(this.slot).provider;
  }

  /** The definition it is polled by; null for the built-in one. */
  get providerVersionId(): string | null {
    return this.#table.routeOf(this.slot).providerVersionId;
  }

  get jobId(): string {
    return this.#table.jobIds[this.slot] ?? "";
  }

  get params(): Readonly<Record<string, string>> {
    return this.#notes.params;
  }

  get acceptedAtMs(): number {
    return this.#table.acceptedAtMs[this.slot] ?? 0;
  }

  get deadlineAtMs(): number {
    return this.#table.deadlineAtMs[this.slot] ?? 0;
  }

  set deadlineAtMs(atMs: number) {
    this.#table.deadlineAtMs[this.slot] = atMs;
  }

  get wantedEvents(): number {
    return this.#table.wantedEvents[this.slot] ?? 0;
  }

  set wantedEvents(mask: number) {
    this.#table.wantedEvents[this.slot] = mask;
  }

  get state(): WatchState {
    return this.#table.stateOf(this.slot);
  }

  set state(state: Exclude<WatchState, "dropped">) {
    this.#table.setState(this.slot, state);
  }

  get phase(): "pending" | "processing" {
    return this.#has(FLAGS.processing) ? "processing" : "pending";
  }

  set phase(phase: "pending" | "processing") {
    this.#set(FLAGS.processing, phase === "processing");
  }

  /** Whether its `job.processing` has been recorded. */
  get processingAnnounced(): boolean {
    return this.#has(FLAGS.processingAnnounced);
  }

  set processingAnnounced(isSo: boolean) {
    this.#set(FLAGS.processingAnnounced, isSo);
  }

  /** Whether the upstream was ever seen to know the job. */
  get seen(): boolean {
    return this.#has(FLAGS.seen);
  }

  set seen(isSo: boolean) {
    this.#set(FLAGS.seen, isSo);
  }

  /** A poll was requested while one was in progress. */
  get pollAgain(): boolean {
    return this.#has(FLAGS.pollAgain);
  }

  set pollAgain(isSo: boolean) {
    this.#set(FLAGS.pollAgain, isSo);
  }

  /** Whether somebody asks for the answers about it; see observed-answers.ts. */
  get isObserved(): boolean {
    return this.#has(FLAGS.observed);
  }

  set isObserved(isSo: boolean) {
    this.#set(FLAGS.observed, isSo);
  }

  /** Whether somebody looks at it, for whom its raw answers are kept; see raw-answers.ts. */
  get isInspected(): boolean {
    return this.#has(FLAGS.inspected);
  }

  set isInspected(isSo: boolean) {
    this.#set(FLAGS.inspected, isSo);
  }

  get failuresInRow(): number {
    return this.#table.failuresInRow[this.slot] ?? 0;
  }

  set failuresInRow(count: number) {
    this.#table.failuresInRow[this.slot] = count;
  }

  /** When the next poll is due, by the monotonic clock; an entry in a lane with another time is out of date. */
  get dueAtMs(): number {
    return this.#table.dueAtMs[this.slot] ?? 0;
  }

  set dueAtMs(atMs: number) {
    this.#table.dueAtMs[this.slot] = atMs;
  }

  get pollCount(): number {
    return this.#table.pollCount[this.slot] ?? 0;
  }

  set pollCount(count: number) {
    this.#table.pollCount[this.slot] = count;
  }

  get lastPolledAtMs(): number | null {
    const atMs = this.#table.lastPolledAtMs[this.slot] ?? Number.NaN;
    return Number.isNaN(atMs) ? null : atMs;
  }

  set lastPolledAtMs(atMs: number) {
    this.#table.lastPolledAtMs[this.slot] = atMs;
  }

  /** The result of this node's latest poll; null before the first. */
  get outcome(): PollOutcome | null {
    return POLL_OUTCOMES[(this.#table.outcome[this.slot] ?? 0) - 1] ?? null;
  }

  set outcome(outcome: PollOutcome | null) {
    this.#table.outcome[this.slot] = outcome === null ? 0 : POLL_OUTCOMES.indexOf(outcome) + 1;
  }

  /** HTTP status of the latest answer; null when none came. */
  get httpStatus(): number | null {
    const status = this.#table.httpStatus[this.slot] ?? 0;
    return status === 0 ? null : status;
  }

  set httpStatus(status: number | null) {
    this.#table.httpStatus[this.slot] = status ?? 0;
  }

  get progress(): string | null {
    return this.#notes.progress;
  }

  set progress(progress: string | null) {
    if (progress !== this.progress) this.#note({ progress });
  }

  get lastError(): string | null {
    return this.#notes.lastError;
  }

  set lastError(lastError: string | null) {
    if (lastError !== this.lastError) this.#note({ lastError });
  }

  /** State that its responses left for the next request; null for most providers. */
  get memory(): AnswerMemory | null {
    return this.#notes.memory;
  }

  set memory(memory: AnswerMemory | null) {
    if (memory !== this.memory) this.#note({ memory });
  }

  /** Answers in a row that said that it is not there; a restart begins to count again. */
  get absence(): Absence | null {
    return this.#notes.absence;
  }

  set absence(absence: Absence | null) {
    if (absence !== this.absence) this.#note({ absence });
  }

  /** Answers in a row that could not be read; null for none. */
  get unreadable(): UnreadableStreak | null {
    return this.#notes.unreadable;
  }

  set unreadable(streak: UnreadableStreak | null) {
    if (streak !== this.unreadable) this.#note({ unreadable: streak });
  }

  /** The values of the last checkpoint, which decide whether another is worth a write. */
  get checkpointed(): { readonly polls: number; readonly error: string | null } {
    const polls = this.#table.checkpointedPolls[this.slot] ?? 0;
    return { polls, error: this.#notes.checkpointedError };
  }

  set checkpointed({ polls, error }: { readonly polls: number; readonly error: string | null }) {
    this.#table.checkpointedPolls[this.slot] = polls;
    if (error !== this.#notes.checkpointedError) this.#note({ checkpointedError: error });
  }

  get #notes(): WatchNotes {
    return this.#table.notes[this.slot] ?? NO_NOTES;
  }

  #note(change: Partial<WatchNotes>): void {
    this.#table.notes[this.slot] = { ...this.#notes, ...change };
  }

  #has(flag: number): boolean {
    return ((this.#table.flags[this.slot] ?? 0) & flag) !== 0;
  }

  #set(flag: number, isSet: boolean): void {
    const flags = this.#table.flags[this.slot] ?? 0;
    this.#table.flags[this.slot] = isSet ? flags | flag : flags & ~flag;
  }
}

/** Jobs that end sooner are never checkpointed: somebody who looks asks the node that polls them. */
const CHECKPOINT_AGE_MS_MIN = 30_000;

/** Errors stay small enough to be read by a person and held a million times. */
const LAST_ERROR_CHARS_MAX = 500;

export function clipError(text: string): string {
  return text.length <= LAST_ERROR_CHARS_MAX ? text : `${text.slice(0, LAST_ERROR_CHARS_MAX - 1)}…`;
}

export function wants(watch: Watch, type: EventType): boolean {
  return (watch.wantedEvents & eventBit(type)) !== 0;
}

export function wantsResultFetched(watch: Watch): boolean {
  return (watch.wantedEvents & WANTS_RESULT_FETCHED) !== 0;
}

/**
 * The checkpoint of a watch if one is worth a write, or null: twice as many polls as last time, or another
 * error. So a long job costs a number of writes that grows with the logarithm of its polls, and a
 * short one costs none.
 */
export function takeCheckpoint(watch: Watch, nowMs: number): JobCheckpoint | null {
  const { checkpointed, pollCount, lastError } = watch;
  const hasNews = pollCount >= 2 * checkpointed.polls || lastError !== checkpointed.error;
  if (pollCount === checkpointed.polls || !hasNews) return null;
  if (nowMs - watch.acceptedAtMs < CHECKPOINT_AGE_MS_MIN) return null;
  watch.checkpointed = { polls: pollCount, error: lastError };
  return {
    shardId: watch.shardId,
    id: watch.id,
    status: watch.phase,
    seen: watch.seen,
    pollCount,
    lastPolledAtMs: watch.lastPolledAtMs,
    lastOutcome: watch.outcome,
    lastError,
    progress: watch.progress,
  };
}
