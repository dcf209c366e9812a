import {
  addCount,
  countAttempt,
  countEnding,
  type MinuteCount,
  nothingCounted,
} from "../core/project-counts.ts";

const MINUTE_MS = 60_000;

/** Counts of a project at this node that are not stored yet. */
interface ProjectMinute {
  readonly projectId: string;
  /** Epoch milliseconds at which the minute began. */
  readonly minuteMs: number;
  readonly count: Readonly<MinuteCount>;
}

interface Counting extends ProjectMinute {
  readonly count: MinuteCount;
  /** How often something was added. */
  changes: number;
}

interface ProjectCounts {
  current: Counting;
  /** Over, and not stored yet. Minutes that could not be stored are counted as the first of them. */
  past: Counting | null;
}

/** A minute as it was when it was taken to be stored. */
interface TakenMinute extends ProjectMinute {
  readonly changes: number;
}

/**
 * Counts endings and attempts of each project by the minute, in memory; `cluster/minute-writer.ts`
 * stores what is over. Counting is one look into a map and a few additions.
 */
export class MinuteCounts {
  readonly #byProject = new Map<string, ProjectCounts>();

  ended(projectId: string, isCompleted: boolean, nowMs: number): void {
    countEnding(this.#at(projectId, nowMs), isCompleted);
  }

  /** See `countAttempt`. */
  attempted(
    projectId: string,
    status: Parameters<typeof countAttempt>[1],
    tookMs: number | null,
    nowMs: number,
  ): void {
    countAttempt(this.#at(projectId, nowMs), status, tookMs);
  }

  /** The counts of a project that are not stored yet. */
  of(projectId: string): readonly ProjectMinute[] {
    const known = this.#byProject.get(projectId);
    if (known === undefined) return [];
    return known.past === null ? [known.current] : [known.past, known.current];
  }

  /**
   * Minutes to store, the longest past first: those that are over, or all when the node stops.
   * @param max of so many projects; the minutes of others go on, so that none is lost
   */
  take(nowMs: number, max: number, isLast = false): TakenMinute[] {
    const taken: Counting[] = [];
    for (const counts of this.#byProject.values()) {
      const { current, past } = counts;
      const isOver = isLast || current.minuteMs < minuteOf(nowMs);
      if (past !== null) taken.push(past);
      else if (isOver) taken.push(current);
      // One of a project at a time, so that the older is stored first.
      if (isLast && past !== null) taken.push(current);
    }
    return taken
      .toSorted((a, b) => a.minuteMs - b.minuteMs)
      .slice(0, max)
      .map(snapshot);
  }

  /** Forgets minutes that were stored, except those in which more was counted since: they are stored again as a whole. */
  stored(minutes: readonly TakenMinute[]): void {
    for (const { projectId, minuteMs, changes } of minutes) {
      const counts = this.#byProject.get(projectId);
      if (counts === undefined) continue;
      const { current, past } = counts;
      if (past?.minuteMs === minuteMs && past.changes === changes) counts.past = null;
      else if (current.minuteMs === minuteMs && current.changes === changes && past === null) {
        this.#byProject.delete(projectId);
      }
    }
  }

  #at(projectId: string, nowMs: number): MinuteCount {
    const minuteMs = minuteOf(nowMs);
    const counts = this.#byProject.get(projectId) ?? this.#begin(projectId, minuteMs);
    // A clock that was set back goes on in the minute that it had reached.
    if (minuteMs > counts.current.minuteMs) goOn(counts, minuteMs);
    counts.current.changes += 1;
    return counts.current.count;
  }

  #begin(projectId: string, minuteMs: number): ProjectCounts {
    const counts = { current: counting(projectId, minuteMs), past: null };
    this.#byProject.set(projectId, counts);
    return counts;
  }
}

function snapshot({ projectId, minuteMs, changes, count }: Counting): TakenMinute {
  return { projectId, minuteMs, changes, count: { ...count, took: [...count.took] } };
}

function goOn(counts: ProjectCounts, minuteMs: number): void {
  const { current, past } = counts;
  if (past === null) counts.past = current;
  else {
    addCount(past.count, current.count);
    past.changes += 1;
  }
  counts.current = counting(current.projectId, minuteMs);
}

function counting(projectId: string, minuteMs: number): Counting {
  return { projectId, minuteMs, count: nothingCounted(), changes: 0 };
}

function minuteOf(nowMs: number): number {
  return nowMs - (nowMs % MINUTE_MS);
}
