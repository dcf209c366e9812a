import type { Timer } from "../../runtime/clock.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import {
  answer,
  type CommitOutcome,
  type Entry,
  type Patience,
  commitRetryDelayMs,
} from "../db/commit-outcome.ts";

interface SetAsideRowsOptions<Row, Result> extends Pick<Runtime, "clock" | "random"> {
  readonly commit: (
    entries: readonly Entry<Row, Result>[],
    patience: Patience,
  ) => Promise<CommitOutcome<Result>>;
  /** How long an entry is retried, counted from its batch's first try. */
  readonly retryForMs: number;
  readonly onIdle: () => void;
}

/** Entries that are committed together. */
interface Group<Row, Result> {
  readonly entries: readonly Entry<Row, Result>[];
  readonly startedAt: number;
  readonly failures: number;
}

/**
 * Commits groups one after the other, and retries those that fail with growing pauses. A pause is
 * at least as long as the previous try took, so that a statement that runs into its time limit uses
 * the database half of the time at most.
 */
class RetryLane<Row, Result> {
  readonly #options: SetAsideRowsOptions<Row, Result>;
  readonly #patience: Patience;
  readonly #take: (group: Group<Row, Result>, outcome: CommitOutcome<Result>) => void;
  /** Groups to be tried next, in this order. */
  #ready: Group<Row, Result>[] = [];
  #trying: Group<Row, Result> | null = null;
  #isWorking = false;
  #triedForMs = 0;
  /** Groups between two tries, with the function that ends their pause. */
  readonly #pausing = new Map<Group<Row, Result>, Timer>();

  constructor(
    options: SetAsideRowsOptions<Row, Result>,
    patience: Patience,
    take: (group: Group<Row, Result>, outcome: CommitOutcome<Result>) => void,
  ) {
    this.#options = options;
    this.#patience = patience;
    this.#take = take;
  }

  get isIdle(): boolean {
    return !this.#isWorking && this.#ready.length === 0 && this.#pausing.size === 0;
  }

  /** Puts groups in front of all others that are ready. */
  addFirst(...groups: readonly Group<Row, Result>[]): void {
    this.#ready.unshift(...groups);
    this.#start();
  }

  /** False when the time for retries would be over by then. */
  retryLater(group: Group<Row, Result>): boolean {
    const { clock, random, retryForMs } = this.#options;
    const tookMs = group.failures === 0 ? 0 : this.#triedForMs;
    const delayMs = Math.max(tookMs, commitRetryDelayMs(group.failures, random()));
    if (clock.monotonic() - group.startedAt + delayMs > retryForMs) return false;
    const timer = clock.setTimer(delayMs, () => {
      this.#pausing.delete(group);
      this.#ready.push({ ...group, failures: group.failures + 1 });
      this.#start();
    });
    this.#pausing.set(group, timer);
    return true;
  }

  /** Removes and returns everything. */
  abandon(): readonly Group<Row, Result>[] {
    const trying = this.#trying === null ? [] : [this.#trying];
    const groups = [...trying, ...this.#ready, ...this.#pausing.keys()];
    for (const pause of this.#pausing.values()) pause.cancel();
    this.#pausing.clear();
    this.#ready = [];
    return groups;
  }

  #start(): void {
    if (!this.#isWorking) void this.#work();
  }

  async #work(): Promise<void> {
    const { clock, commit } = this.#options;
    this.#isWorking = true;
    for (let group = this.#ready.shift(); group !== undefined; group = this.#ready.shift()) {
      this.#trying = group;
      const startedAt = clock.monotonic();
      const outcome = await commit(group.entries, this.#patience);
      this.#triedForMs = clock.monotonic() - startedAt;
      this.#trying = null;
      this.#take(group, outcome);
    }
    this.#isWorking = false;
    this.#options.onIdle();
  }
}

/**
 * Batches that met a locked row or ran out of time, separate from the others, so that these
 * continue. A batch is halved until the row that causes it is alone: all others are committed on
 * the way. A locked row is retried until its lock is released; one that takes too long even alone
 * is retried in a lane of its own, where it has the full time of a statement and holds up nothing
 * else.
 */
export class SetAsideRows<Row, Result> {
  /** Halves batches that were set aside, and retries locked rows. */
  readonly #halving: RetryLane<Row, Result>;
  /** Rows that take too long even alone. */
  readonly #slow: RetryLane<Row, Result>;
  #rows = 0;
  #isAbandoned = false;

  constructor(options: SetAsideRowsOptions<Row, Result>) {
    const onIdle = (): void => {
      if (this.isIdle) options.onIdle();
    };
    this.#halving = new RetryLane({ ...options, onIdle }, "brief", (group, outcome) =>
      this.#take(this.#halving, group, outcome),
    );
    this.#slow = new RetryLane({ ...options, onIdle }, "patient", (group, outcome) =>
      this.#take(this.#slow, group, outcome),
    );
  }

  get rows(): number {
    return this.#rows;
  }

  get isIdle(): boolean {
    return this.#halving.isIdle && this.#slow.isIdle;
  }

  /** @param startedAt monotonic time of the batch's first try */
  add(entries: readonly Entry<Row, Result>[], startedAt: number): void {
    if (this.#isAbandoned) return;
    this.#rows += entries.length;
    this.#split({ entries, startedAt, failures: 0 });
  }

  /** Removes and returns everything; the caller answers it. */
  abandon(): readonly Entry<Row, Result>[] {
    this.#isAbandoned = true;
    this.#rows = 0;
    const groups = [...this.#halving.abandon(), ...this.#slow.abandon()];
    return groups.flatMap(({ entries }) => entries);
  }

  #take(
    lane: RetryLane<Row, Result>,
    group: Group<Row, Result>,
    outcome: CommitOutcome<Result>,
  ): void {
    if (this.#isAbandoned) return;
    const isAlone = group.entries.length === 1;
    switch (outcome.kind) {
      case "committed":
      case "failed":
        this.#answer(group, outcome);
        break;
      case "refused":
        if (isAlone) this.#answer(group, outcome);
        else this.#split(group);
        break;
      case "locked":
      case "lost":
        if (isAlone) this.#retryLater(lane, group, outcome.error);
        else this.#split(group);
        break;
      case "timed_out":
        if (isAlone) this.#retryLater(this.#slow, group, outcome.error);
        else this.#split(group);
        break;
      case "transient":
        this.#retryLater(lane, group, outcome.error);
        break;
    }
  }

  /** In front of the rows that are known to be stuck, because most of these are not. */
  #split({ entries, startedAt }: Group<Row, Result>): void {
    const middle = entries.length >> 1;
    const halves = [entries.slice(0, middle), entries.slice(middle)].filter((half) => half.length);
    this.#halving.addFirst(...halves.map((half) => ({ entries: half, startedAt, failures: 0 })));
  }

  #retryLater(lane: RetryLane<Row, Result>, group: Group<Row, Result>, error: unknown): void {
    if (!lane.retryLater(group)) this.#answer(group, { kind: "failed", error });
  }

  #answer(
    { entries }: Group<Row, Result>,
    outcome: Parameters<typeof answer<Row, Result>>[1],
  ): void {
    this.#rows -= entries.length;
    answer(entries, outcome);
  }
}
