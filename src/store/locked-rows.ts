import type { Clock, Timer } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { answer, type CommitOutcome, type Entry, retryDelayMs } from "./commit-outcome.ts";

export interface LockedRowsOptions<Row, Result> {
  readonly commit: (entries: readonly Entry<Row, Result>[]) => Promise<CommitOutcome<Result>>;
  readonly clock: Clock;
  readonly random: Random;
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
 * Batches that met a locked row, apart from the others, so that these go on. A batch is halved
 * until the locked row is alone: all others are committed on the way. The locked one is retried
 * with growing pauses until its lock is released. Commits one group after the other.
 */
export class LockedRows<Row, Result> {
  readonly #options: LockedRowsOptions<Row, Result>;
  /** To be tried next, in this order. */
  #ready: Group<Row, Result>[] = [];
  #trying: Group<Row, Result> | null = null;
  /** Those between two tries, with what ends their pause. */
  readonly #pausing = new Map<Group<Row, Result>, Timer>();
  #rows = 0;
  #isAbandoned = false;

  constructor(options: LockedRowsOptions<Row, Result>) {
    this.#options = options;
  }

  get rows(): number {
    return this.#rows;
  }

  get isIdle(): boolean {
    return this.#trying === null && this.#ready.length === 0 && this.#pausing.size === 0;
  }

  /** @param startedAt monotonic, of the batch's first try */
  add(entries: readonly Entry<Row, Result>[], startedAt: number): void {
    if (this.#isAbandoned) return;
    this.#rows += entries.length;
    this.#split({ entries, startedAt, failures: 0 });
    if (this.#trying === null) void this.#work();
  }

  /** Forgets everything and returns it; answering it is left to the caller. */
  abandon(): readonly Entry<Row, Result>[] {
    this.#isAbandoned = true;
    const trying = this.#trying === null ? [] : [this.#trying];
    const groups = [...trying, ...this.#ready, ...this.#pausing.keys()];
    for (const pause of this.#pausing.values()) pause.cancel();
    this.#pausing.clear();
    this.#ready = [];
    this.#rows = 0;
    return groups.flatMap(({ entries }) => entries);
  }

  async #work(): Promise<void> {
    for (;;) {
      const group = this.#ready.shift();
      this.#trying = group ?? null;
      if (group === undefined) break;
      this.#take(group, await this.#options.commit(group.entries));
    }
    if (this.isIdle) this.#options.onIdle();
  }

  #take(group: Group<Row, Result>, outcome: CommitOutcome<Result>): void {
    this.#trying = null;
    if (this.#isAbandoned) return;
    switch (outcome.kind) {
      case "committed":
      case "failed":
        this.#answer(group, outcome);
        break;
      case "refused":
        if (group.entries.length > 1) this.#split(group);
        else this.#answer(group, outcome);
        break;
      case "locked":
        if (group.entries.length > 1) this.#split(group);
        else this.#retryLater(group, outcome.error);
        break;
      case "transient":
        this.#retryLater(group, outcome.error);
        break;
    }
  }

  /** In front of what is known to be locked: most of these rows are not. */
  #split({ entries, startedAt }: Group<Row, Result>): void {
    const middle = entries.length >> 1;
    const halves = [entries.slice(0, middle), entries.slice(middle)].filter((half) => half.length);
    this.#ready.unshift(...halves.map((half) => ({ entries: half, startedAt, failures: 0 })));
  }

  #retryLater(group: Group<Row, Result>, error: unknown): void {
    const { clock, random, retryForMs } = this.#options;
    const delayMs = retryDelayMs(group.failures, random());
    if (clock.monotonic() - group.startedAt + delayMs > retryForMs) {
      this.#answer(group, { kind: "failed", error });
      return;
    }
    const timer = clock.setTimer(delayMs, () => {
      this.#pausing.delete(group);
      this.#ready.push({ ...group, failures: group.failures + 1 });
      if (this.#trying === null) void this.#work();
    });
    this.#pausing.set(group, timer);
  }

  #answer(
    { entries }: Group<Row, Result>,
    outcome: Parameters<typeof answer<Row, Result>>[1],
  ): void {
    this.#rows -= entries.length;
    answer(entries, outcome);
  }
}
