import { expect, test } from "vitest";
import { type NodeState, readinessOf, UNREADINESS_REASONS } from "../../src/core/readiness.ts";

const READY: NodeState = {
  isStopping: false,
  database: "ok",
  hasLease: true,
  oldestUnrecordedEventMs: 0,
};

test("a node without troubles is ready", () => {
  expect(readinessOf(READY)).toEqual({
    reasons: [],
    checks: { process: "ok", database: "ok", lease: "ok", events: "ok" },
  });
  expect(readinessOf({ ...READY, oldestUnrecordedEventMs: 5_000 }).reasons).toEqual([]);
});

test("each trouble is named, in its own check, and says what is wrong", () => {
  const troubles: readonly [Partial<NodeState>, string, keyof typeof UNREADINESS_REASONS][] = [
    [{ isStopping: true }, "process", "stopping"],
    [{ database: "unreachable" }, "database", "database_unreachable"],
    [{ database: "read_only" }, "database", "database_read_only"],
    [{ database: "full" }, "database", "database_full"],
    [{ hasLease: false }, "lease", "lease_lost"],
    [{ oldestUnrecordedEventMs: 60_000 }, "events", "events_unrecorded"],
  ];
  for (const [trouble, check, reason] of troubles) {
    const { reasons, checks } = readinessOf({ ...READY, ...trouble });
    expect(reasons).toEqual([reason]);
    expect(checks).toMatchObject({ [check]: UNREADINESS_REASONS[reason] });
    expect(Object.values(checks).filter((state) => state !== "ok")).toHaveLength(1);
  }
  expect(troubles.map(([, , reason]) => reason)).toEqual(Object.keys(UNREADINESS_REASONS));
});

test("troubles that come together are all named", () => {
  const { reasons } = readinessOf({ ...READY, database: "unreachable", hasLease: false });
  expect(reasons).toEqual(["database_unreachable", "lease_lost"]);
});
