import { expect, test } from "vitest";
import { LaneReports } from "../../src/cluster/lane-reports.ts";
import { LANE_FREE } from "../../src/core/waiting/lane-status.ts";
import type { LaneState } from "../../src/store/lane-states.ts";

const PER_REPORT = 200;
const IN_ALL = 5_000;

const laneOf = (projectId: string, number: number, failedAtMs = 0): LaneState => ({
  ...LANE_FREE,
  projectId,
  kind: "origin",
  name: `https://receiver-${number}.example.com`,
  id: `${projectId} ${number}`,
  breaker: "open",
  perSecond: null,
  failure: { code: "connect_refused", message: null, atMs: failedAtMs },
});
const crowdOf = (projectId: string, count: number, failedAtMs = 0): LaneState[] =>
  Array.from({ length: count }, (_, number) => laneOf(projectId, number, failedAtMs));

/** Stores the next report; returns the ids in it. */
function report(reports: LaneReports, lanes: readonly LaneState[]) {
  const changes = reports.changes(lanes);
  reports.store(changes);
  const ids = (of: readonly LaneState[]) => of.map(({ id }) => id);
  return { put: ids(changes.put), removed: ids(changes.removed) };
}

test("however many lanes of a project are in trouble, a report holds a few changes, and another project's come first", () => {
  const reports = new LaneReports();
  const loud = crowdOf("loud", 3_000);
  expect(report(reports, loud).put).toHaveLength(PER_REPORT);
  const quiet = laneOf("quiet", 1);
  const next = report(reports, [...loud, quiet]);
  expect(next.put).toHaveLength(PER_REPORT);
  expect(next.put).toContain(quiet.id);
  const free = report(reports, loud);
  expect(free.removed).toEqual([quiet.id]);
  expect(free.put).toHaveLength(PER_REPORT - 1);
});

test("lanes that change all the time leave none unreported", () => {
  const reports = new LaneReports();
  const count = 5 * PER_REPORT;
  const reported = new Set<string>();
  for (let second = 0; second < 2 * (count / PER_REPORT); second += 1) {
    const { put } = report(reports, crowdOf("loud", count, second));
    if (second >= count / PER_REPORT) for (const id of put) reported.add(id);
  }
  // Each once more after the first round.
  expect(reported.size).toBe(count);
  expect(reports.size).toBe(count);
});

test("when a node has more lanes in trouble than it reports, each project has some of them", () => {
  const reports = new LaneReports();
  const lanes = [...crowdOf("loud", IN_ALL + 1_000), ...crowdOf("quiet", 20)];
  for (let second = 0; second < 2 * (IN_ALL / PER_REPORT); second += 1) report(reports, lanes);
  expect(reports.size).toBe(IN_ALL);
  const quiet = [...reports.all()].filter(({ projectId }) => projectId === "quiet");
  expect(quiet).toHaveLength(20);
  expect(report(reports, lanes)).toEqual({ put: [], removed: [] });
});
