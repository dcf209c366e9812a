import type { Entry } from "../db/commit-outcome.ts";

interface WaitingRowsOptions<Row> {
  /** Whose row it is; the groups take turns. */
  readonly groupOf: (row: Row) => string;
  readonly rowsPerBatchMax: number;
  /** The weight of a row in a batch; a batch holds one row at least. */
  readonly bytesOf: (row: Row) => number;
  readonly bytesPerBatchMax: number;
}

/** Slow beside the halving, so that most batches arrive; forty of them lead from 1 row to 500. */
const GROWTH_DIVISOR = 8;

/**
 * The rows that wait for a batch, in a queue for each group. A batch takes one row of each group in
 * turn, so a row waits for as many batches as its own group fills, however many rows of others came
 * before it.
 */
export class WaitingRows<Row, Result> {
  readonly #options: WaitingRowsOptions<Row>;
  /** In the order of their turns. */
  #groups = new Map<string, Entry<Row, Result>[]>();
  #count = 0;
  /** Rows of a batch at most: fewer after one was lost, until others arrive. */
  #rowsMax: number;

  constructor(options: WaitingRowsOptions<Row>) {
    this.#options = options;
    this.#rowsMax = options.rowsPerBatchMax;
  }

  get count(): number {
    return this.#count;
  }

  /** A batch of so many rows was lost with its connection: the next ones are at most half as large. */
  batchLost(rows: number): void {
    this.#rowsMax = Math.max(1, Math.min(this.#rowsMax, rows >> 1));
  }

  /** A batch of so many rows arrived. Only one of the full size shows that a larger one may pass too. */
  batchCommitted(rows: number): void {
    if (rows < this.#rowsMax) return;
    const more = Math.ceil(this.#rowsMax / GROWTH_DIVISOR);
    this.#rowsMax = Math.min(this.#options.rowsPerBatchMax, this.#rowsMax + more);
  }

  add(entry: Entry<Row, Result>): void {
    const group = this.#options.groupOf(entry.row);
    const entries = this.#groups.get(group);
    if (entries === undefined) this.#groups.set(group, [entry]);
    else entries.push(entry);
    this.#count += 1;
  }

  /** Takes one row out; false when it does not wait any more. */
  remove(entry: Entry<Row, Result>): boolean {
    const group = this.#options.groupOf(entry.row);
    const entries = this.#groups.get(group) ?? [];
    const index = entries.indexOf(entry);
    if (index === -1) return false;
    // Usually the oldest.
    if (index === 0) entries.shift();
    else entries.splice(index, 1);
    if (entries.length === 0) this.#groups.delete(group);
    this.#count -= 1;
    return true;
  }

  /** The rows of the next batch, which wait no more. */
  takeBatch(): Entry<Row, Result>[] {
    const [only] = this.#groups;
    if (only === undefined) return [];
    const batch = this.#groups.size === 1 ? this.#takeOf(only[0], only[1]) : this.#takeInTurns();
    this.#count -= batch.length;
    return batch;
  }

  takeAll(): Entry<Row, Result>[] {
    const all = [...this.#groups.values()].flat();
    this.#groups = new Map();
    this.#count = 0;
    return all;
  }

  /** The oldest rows of a single group: the common case. */
  #takeOf(group: string, entries: Entry<Row, Result>[]): Entry<Row, Result>[] {
    const batch = entries.splice(0, this.#countFitting(entries));
    if (entries.length === 0) this.#groups.delete(group);
    return batch;
  }

  #takeInTurns(): Entry<Row, Result>[] {
    const inTurns = [...rowsInTurns([...this.#groups.values()], this.#rowsMax)];
    const batch = inTurns.slice(0, this.#countFitting(inTurns));
    const { groupOf } = this.#options;
    const taken = new Map<string, number>();
    for (const { row } of batch) {
      const group = groupOf(row);
      taken.set(group, (taken.get(group) ?? 0) + 1);
    }
    for (const [group, count] of taken) {
      const entries = this.#groups.get(group) ?? [];
      entries.splice(0, count);
      // Behind those that this batch had no place for.
      this.#groups.delete(group);
      if (entries.length > 0) this.#groups.set(group, entries);
    }
    return batch;
  }

  #countFitting(entries: readonly Entry<Row, Result>[]): number {
    const { bytesOf, bytesPerBatchMax } = this.#options;
    const most = Math.min(entries.length, this.#rowsMax);
    if (bytesPerBatchMax === Infinity) return most;
    let bytes = 0;
    for (let rows = 0; rows < most; rows += 1) {
      const entry = entries[rows];
      if (entry !== undefined) bytes += bytesOf(entry.row);
      if (rows > 0 && bytes > bytesPerBatchMax) return rows;
    }
    return most;
  }
}

/** One of each queue, then the next of each, as many as wanted. */
function* rowsInTurns<Item>(queues: readonly (readonly Item[])[], max: number): Iterable<Item> {
  let left = max;
  for (let round = 0; left > 0; round += 1) {
    let isOver = true;
    for (const queue of queues) {
      const item = queue[round];
      if (item === undefined) continue;
      isOver = false;
      yield item;
      left -= 1;
      if (left === 0) return;
    }
    if (isOver) return;
  }
}
