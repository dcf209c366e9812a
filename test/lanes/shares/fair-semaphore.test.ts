import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { FairSemaphore } from "../../../src/lanes/shares/fair-semaphore.ts";

const WAITING_MAX = 5;
let perProject: Record<string, number>;
let semaphore: FairSemaphore;

beforeEach(() => {
  perProject = {};
  semaphore = new FairSemaphore({
    resource: "lists",
    permitsMax: 4,
    permitsPerProjectMax: (projectId) => perProject[projectId] ?? 3,
    waitingPerProjectMax: WAITING_MAX,
  });
});

/** Acquires and notes the project once that is done. */
function acquire(projectId: string, into: string[], signal?: AbortSignal) {
  return semaphore.acquire(projectId, signal).then((acquisition) => {
    if (acquisition === "acquired") into.push(projectId);
    return acquisition;
  });
}

function hold(projectId: string, count: number): void {
  for (let index = 0; index < count; index += 1) expect(semaphore.tryAcquire(projectId)).toBe(true);
}

describe("permits", () => {
  test("a project holds at most its share of permits, and all together at most the total", () => {
    hold("a", 3);
    expect(semaphore.tryAcquire("a")).toBe(false);
    hold("b", 1);
    expect(semaphore.tryAcquire("b")).toBe(false);
    expect([semaphore.heldBy("a"), semaphore.heldBy("b"), semaphore.heldBy("c")]).toEqual([
      3, 1, 0,
    ]);
  });

  test("a waiter at its own limit keeps no other project from free permits", async () => {
    hold("a", 3);
    void semaphore.acquire("a");
    await expect(semaphore.acquire("b")).resolves.toBe("acquired");
  });

  test("a released permit goes to the project that holds the fewest, in turns among equals", async () => {
    hold("a", 3);
    hold("b", 1);
    const order: string[] = [];
    for (const projectId of ["a", "a", "b", "c", "c", "d"]) void acquire(projectId, order);
    for (const projectId of ["a", "a", "b", "a"]) semaphore.release(projectId);
    await Promise.resolve();
    // c and d held nothing; then b holds nothing, while a still holds one.
    expect(order).toEqual(["c", "d", "b", "a"]);
  });

  test("a changed limit applies from the next turn on", async () => {
    hold("a", 3);
    const order: string[] = [];
    void acquire("a", order);
    void acquire("a", order);
    perProject["a"] = 2;
    semaphore.release("a");
    await Promise.resolve();
    expect(order).toEqual([]);
    semaphore.release("a");
    await Promise.resolve();
    expect(order).toEqual(["a"]);
  });

  test("a permit that is not held can't be released", () => {
    expect(() => semaphore.release("a")).toThrow("not held");
  });
});

describe("waiting", () => {
  test("only a few of a project may wait; other projects still may", async () => {
    hold("a", 3);
    hold("b", 1);
    const waiting = Array.from({ length: WAITING_MAX }, () => semaphore.acquire("a"));
    await expect(semaphore.acquire("a")).resolves.toBe("full");
    const other = semaphore.acquire("c");
    semaphore.release("a");
    await expect(other).resolves.toBe("acquired");
    expect(waiting).toHaveLength(WAITING_MAX);
  });

  test("an aborted wait ends and uses no turn", async () => {
    hold("a", 3);
    hold("b", 1);
    const order: string[] = [];
    const patience = new AbortController();
    const aborted = acquire("c", order, patience.signal);
    void acquire("d", order);
    patience.abort();
    await expect(aborted).resolves.toBe("aborted");
    semaphore.release("b");
    await Promise.resolve();
    expect(order).toEqual(["d"]);
    await expect(semaphore.acquire("c", patience.signal)).resolves.toBe("aborted");
  });

  test("an abort after the turn has come changes nothing", async () => {
    hold("a", 3);
    const patience = new AbortController();
    hold("b", 1);
    const acquired = semaphore.acquire("c", patience.signal);
    semaphore.release("b");
    patience.abort();
    await expect(acquired).resolves.toBe("acquired");
    expect(semaphore.heldBy("c")).toBe(1);
  });
});

/** Acts of projects that ask for any number of permits and keep what they have as long as they like. */
const OTHERS = ["greedy", "slow", "many"];
const ACT = fc.record({
  projectId: fc.constantFrom(...OTHERS),
  does: fc.constantFrom("acquire", "release"),
});

function act(
  shared: FairSemaphore,
  { projectId, does }: { projectId: string; does: string },
): void {
  if (does === "acquire") void shared.acquire(projectId);
  else if (shared.heldBy(projectId) > 0) shared.release(projectId);
}

test("whatever the others did and do, a project that holds nothing waits for a few permits only", () => {
  fc.assert(
    fc.property(
      fc.array(ACT, { maxLength: 200 }),
      fc.array(ACT, { maxLength: 50 }),
      (before, after) => {
        const shared = new FairSemaphore({
          resource: "lists",
          permitsMax: 4,
          permitsPerProjectMax: () => 3,
          waitingPerProjectMax: WAITING_MAX,
        });
        for (const one of before) act(shared, one);
        void shared.acquire("quiet");
        let givenBack = 0;
        for (const one of after) {
          if (shared.heldBy("quiet") > 0) break;
          if (one.does === "release" && shared.heldBy(one.projectId) > 0) givenBack += 1;
          act(shared, one);
        }
        // At worst each of the others holds none as well, and has waited for longer.
        if (givenBack > OTHERS.length) expect(shared.heldBy("quiet")).toBe(1);
      },
    ),
    { numRuns: 300 },
  );
});
