import { expect, test } from "vitest";
import {
  countAttempt,
  nothingCounted,
  successRate,
  tookQuantileMs,
} from "../../src/core/project-counts.ts";
import { MinuteCounts } from "../../src/runtime/minute-counts.ts";

const MINUTE_MS = 60_000;
const AT = 1_767_225_600_000;
const PROJECT = "project";

function endings(minutes: MinuteCounts, project = PROJECT): [minute: number, endings: number][] {
  return minutes
    .of(project)
    .map(({ minuteMs, count }) => [(minuteMs - AT) / MINUTE_MS, count.endings]);
}

test("a minute is stored once it is over, and then forgotten", () => {
  const minutes = new MinuteCounts();
  minutes.ended(PROJECT, true, AT + 1000);
  minutes.ended(PROJECT, false, AT + 59_999);
  expect(minutes.take(AT + 59_999, 10)).toEqual([]);
  const taken = minutes.take(AT + MINUTE_MS, 10);
  expect(taken).toMatchObject([
    { projectId: PROJECT, minuteMs: AT, count: { endings: 2, completed: 1 } },
  ]);
  minutes.stored(taken);
  expect(minutes.of(PROJECT)).toEqual([]);
  expect(minutes.take(AT + 2 * MINUTE_MS, 10)).toEqual([]);
});

test("counts that are added while a minute is being stored are not lost", () => {
  const minutes = new MinuteCounts();
  minutes.ended(PROJECT, true, AT);
  const taken = minutes.take(AT + MINUTE_MS, 10);
  minutes.ended(PROJECT, true, AT + MINUTE_MS);
  minutes.stored(taken);
  expect(endings(minutes)).toEqual([[1, 1]]);
});

test("minutes that can't be stored are added to the first of them, which is stored as a whole", () => {
  const minutes = new MinuteCounts();
  minutes.ended(PROJECT, true, AT);
  const taken = minutes.take(AT + MINUTE_MS, 10);
  for (let minute = 1; minute < 5; minute += 1) minutes.ended(PROJECT, true, AT + minute * 60_000);
  expect(endings(minutes)).toEqual([
    [0, 4],
    [4, 1],
  ]);
  // The statement that was sent may have been carried out: storing replaces its row.
  minutes.stored(taken);
  expect(minutes.take(AT + 5 * MINUTE_MS, 10)).toMatchObject([
    { minuteMs: AT, count: { endings: 4 } },
  ]);
});

test("the projects that wait longest are stored first, and no counts of the others are lost", () => {
  const minutes = new MinuteCounts();
  for (const [index, project] of ["c", "b", "a"].entries())
    minutes.ended(project, true, AT + index * MINUTE_MS);
  const projectsOf = (taken: readonly { readonly projectId: string }[]) =>
    taken.map(({ projectId }) => projectId);
  const first = minutes.take(AT + 3 * MINUTE_MS, 2);
  expect(projectsOf(first)).toEqual(["c", "b"]);
  minutes.stored(first);
  expect(projectsOf(minutes.take(AT + 3 * MINUTE_MS, 2))).toEqual(["a"]);
});

test("a node that stops stores the present minute, and the one before it", () => {
  const minutes = new MinuteCounts();
  minutes.ended(PROJECT, true, AT);
  minutes.ended(PROJECT, true, AT + MINUTE_MS);
  const taken = minutes.take(AT + MINUTE_MS + 1, 10, true);
  expect(taken.map(({ minuteMs }) => minuteMs)).toEqual([AT, AT + MINUTE_MS]);
  minutes.stored(taken);
  expect(minutes.of(PROJECT)).toEqual([]);
});

test("quantiles are found within the range that holds them", () => {
  const count = nothingCounted();
  expect(tookQuantileMs(count, 0.5)).toBeNull();
  for (let callback = 0; callback < 90; callback += 1) countAttempt(count, "delivered", 150);
  for (let callback = 0; callback < 10; callback += 1) countAttempt(count, "delivered", 20_000);
  countAttempt(count, "delivered", null);
  countAttempt(count, "pending", 5);
  // 50 of the 90 in the range from 100 to 200 ms, and 5 of the 10 in the one from 10 to 30 s.
  expect(tookQuantileMs(count, 0.5)).toBe(156);
  expect(tookQuantileMs(count, 0.95)).toBe(20_000);
  expect(tookQuantileMs(count, 1)).toBe(30_000);
  countAttempt(count, "delivered", 10 * 86_400_000);
  expect(tookQuantileMs(count, 1)).toBe(259_200_000);
});

test("the success rate is of finished deliveries, and none without any", () => {
  const count = nothingCounted();
  countAttempt(count, "pending", null);
  expect(successRate(count)).toBeNull();
  countAttempt(count, "delivered", 1);
  countAttempt(count, "delivered", 1);
  countAttempt(count, "exhausted", null);
  countAttempt(count, "gone", null);
  expect(count).toMatchObject({ delivered: 2, failedAttempts: 3, exhausted: 1, gone: 1 });
  expect(successRate(count)).toBe(0.5);
});
