import type { CommitFailure } from "../../src/store/db/commit-outcome.ts";
import { GroupCommit } from "../../src/store/writes/group-commit.ts";
import type { GroupCommitOptions } from "../../src/store/writes/group-commit.ts";
import { FakeClock } from "../support/fake-clock.ts";

export class TransientError extends Error {}
export class LostError extends Error {}
export class LockedError extends Error {}
export class TimedOutError extends Error {}

type Options = Partial<Omit<GroupCommitOptions<number, string>, "failureOf">>;

/** A queue over numbers whose commits are recorded and, unless `commit` is given, succeed at once. */
export function numberQueue(options: Options = {}) {
  const clock = new FakeClock();
  const batches: number[][] = [];
  const { commit = answer, ...rest } = options;
  const queue = new GroupCommit<number, string>({
    resource: "event_rows",
    groupOf: () => "",
    compare: (a, b) => a - b,
    failureOf,
    clock,
    random: () => 1,
    ...rest,
    commit: (rows, patience) => {
      batches.push([...rows]);
      return commit(rows, patience);
    },
  });
  return { queue, clock, batches };
}

function failureOf(error: unknown): CommitFailure {
  if (error instanceof LockedError) return "locked";
  if (error instanceof TimedOutError) return "timed_out";
  if (error instanceof LostError) return "lost";
  return error instanceof TransientError ? "transient" : "refused";
}

export async function answer(rows: readonly number[]): Promise<string[]> {
  return rows.map((row) => `#${row}`);
}
