import { GroupCommit } from "../../src/store/group-commit.ts";
import type { GroupCommitOptions } from "../../src/store/group-commit.ts";
import { FakeClock } from "../support/fake-clock.ts";

export class TransientError extends Error {}
export class LockedError extends Error {}

type Options = Partial<Omit<GroupCommitOptions<number, string>, "isTransient" | "isLocked">>;

/** A queue over numbers whose commits are recorded and, unless `commit` is given, succeed at once. */
export function numberQueue(options: Options = {}) {
  const clock = new FakeClock();
  const batches: number[][] = [];
  const { commit = answer, ...rest } = options;
  const queue = new GroupCommit<number, string>({
    name: "numbers",
    compare: (a, b) => a - b,
    isTransient: (error) => error instanceof TransientError,
    isLocked: (error) => error instanceof LockedError,
    clock,
    random: () => 1,
    ...rest,
    commit: (rows, lockWait) => {
      batches.push([...rows]);
      return commit(rows, lockWait);
    },
  });
  return { queue, clock, batches };
}

export async function answer(rows: readonly number[]): Promise<string[]> {
  return rows.map((row) => `#${row}`);
}
