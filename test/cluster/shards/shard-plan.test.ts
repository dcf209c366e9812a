import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ClusterView,
  isProven,
  type LiveNode,
  planShards,
} from "../../../src/cluster/shards/shard-plan.ts";
import { fairShare, SHARD_COUNT } from "../../../src/core/ids/ids.ts";
import {
  ALL,
  ClusterSimulation,
  LEASE_MS,
  LOOK_INTERVAL_MS,
  RENEW_INTERVAL_MS,
  uniform,
} from "./cluster-simulation.ts";

/** A lease that runs out, what waits for others to take it first, and a look or two. */
const COVERED_WITHIN_MS = LEASE_MS + 5_000 + 2_000;
/** A shard that is left to another is taken at its next look, or soon by anyone. */
const MOVED_WITHIN_MS = 4_000;
/** Until the last to come has proven itself, whatever died on its host, and the shards have moved. */
const SETTLED_WITHIN_MS = 400_000;

const PROVEN: LiveNode = { held: 0, livedMs: 30_000, sinceRenewalMs: 0, crashes: 0 };
const NEW: LiveNode = { held: 0, livedMs: 0, sinceRenewalMs: 100, crashes: 0 };

function view(changes: Partial<ClusterView>): ClusterView {
  return { self: PROVEN, others: [], mine: [], free: [], mayRelease: true, ...changes };
}

function free(shardIds: readonly number[], freeForMs = 0): ClusterView["free"] {
  return shardIds.map((shardId) => ({ shardId, freeForMs }));
}

describe("coverage before fairness", () => {
  test("a lone node claims all shards, even before it has proven itself", () => {
    expect(planShards(view({ self: NEW, free: free(ALL) }), 0).claim).toEqual(ALL);
  });

  test("nodes that start together claim a share each, and try different shards first", () => {
    const given = view({ self: NEW, others: [NEW, NEW, NEW], free: free(ALL) });
    const claims = [0, 0.25, 0.5, 0.75].map((random) => planShards(given, random).claim);
    expect(claims.map((claim) => claim.length)).toEqual([64, 64, 64, 64]);
    expect(new Set(claims.flat()).size).toBe(SHARD_COUNT);
  });

  test("free shards are claimed even above the fair share", () => {
    const given = { others: [PROVEN], mine: ALL.slice(0, 128) };
    const rest = ALL.slice(128);
    expect(planShards(view({ ...given, free: free(rest, 2_499) }), 0).claim).toEqual([]);
    expect(planShards(view({ ...given, free: free(rest, 2_500) }), 0)).toEqual({
      claim: rest,
      release: [],
      isCovering: true,
    });
  });

  test("a newcomer leaves free shards to proven nodes for a while", () => {
    const given = { self: NEW, others: [PROVEN] };
    expect(planShards(view({ ...given, free: free(ALL) }), 0).claim).toEqual([]);
    expect(planShards(view({ ...given, free: free(ALL, 2_500) }), 0).claim).toHaveLength(128);
    expect(planShards(view({ ...given, free: free(ALL, 5_000) }), 0).claim).toHaveLength(256);
  });
});

describe("a node makes room", () => {
  test.each([
    ["that has not renewed", { ...PROVEN, livedMs: 0 }],
    ["that has just started", { ...PROVEN, livedMs: 4_999 }],
    ["on whose host others died", { ...PROVEN, livedMs: 39_999, crashes: 3 }],
    ["that is silent", { ...PROVEN, sinceRenewalMs: 5_001 }],
    ["that has its share", { ...PROVEN, held: 128 }],
  ])("a node releases shards for none %s", (_, other) => {
    expect(planShards(view({ others: [other], mine: ALL }), 0).release).toEqual([]);
  });

  test("a node releases shards for a proven node, as many as that one lacks", () => {
    expect(planShards(view({ others: [PROVEN], mine: ALL }), 0).release).toHaveLength(128);
    const mostly = { ...PROVEN, held: 100 };
    expect(planShards(view({ others: [mostly], mine: ALL.slice(100) }), 0).release).toHaveLength(
      28,
    );
  });

  test("a node releases no shards while it replaces a missing node or while shards are free", () => {
    const given = { others: [PROVEN], mine: ALL.slice(1) };
    expect(planShards(view({ ...given, mayRelease: false }), 0).release).toEqual([]);
    expect(planShards(view({ ...given, free: free([0]) }), 0).release).toEqual([]);
  });
});

/** Processes on some hosts that come and die at any times; then the last of each host stays. */
const lives = fc.record({
  seed: fc.integer(),
  hosts: fc.array(
    fc.array(
      fc.record({ afterMs: fc.nat(20_000), livesMs: fc.nat(60_000), isClean: fc.boolean() }),
      {
        maxLength: 6,
      },
    ),
    { minLength: 1, maxLength: 8 },
  ),
});

/** Plays what happens to the hosts, and leaves one process running on each. */
function play({ seed, hosts }: typeof lives extends fc.Arbitrary<infer T> ? T : never) {
  const cluster = new ClusterSimulation(uniform(seed));
  const steps = hosts.flatMap((runs, host) => {
    let atMs = 0;
    const ends = runs.flatMap(({ afterMs, livesMs, isClean }, run) => {
      const startMs = atMs + afterMs;
      atMs = startMs + livesMs;
      return [
        { atMs: startMs, host, run, kind: "start" as const },
        { atMs, host, run, kind: isClean ? ("leave" as const) : ("kill" as const) },
      ];
    });
    return [...ends, { atMs, host, run: runs.length, kind: "start" as const }];
  });
  const ids = new Map<string, number>();
  for (const { atMs, host, run, kind } of steps.toSorted((a, b) => a.atMs - b.atMs)) {
    cluster.pass(Math.max(0, atMs - cluster.nowMs));
    const name = `${host}/${run}`;
    if (kind === "start") ids.set(name, cluster.start(`host-${host}`));
    else cluster[kind](ids.get(name) ?? 0);
  }
  return cluster;
}

describe("whatever lived and died before", () => {
  test("every shard has a running owner once the last lease of the dead ends", () => {
    fc.assert(
      fc.property(lives, (given) => {
        const cluster = play(given);
        cluster.pass(COVERED_WITHIN_MS);
        // A shard that moves between nodes is free for a moment.
        const unserved = cluster.unservedShards;
        cluster.pass(MOVED_WITHIN_MS);
        const still = cluster.unservedShards;
        expect(unserved.filter((shardId) => still.includes(shardId))).toEqual([]);
      }),
      { numRuns: 40, endOnFailure: true },
    );
  }, 60_000);

  test("whatever lived and died before, in the end no node has more than its share, and nothing moves any more", () => {
    fc.assert(
      fc.property(lives, (given) => {
        const cluster = play(given);
        cluster.pass(SETTLED_WITHIN_MS);
        const before = [...cluster.owners];
        const held = cluster.running.map((id) => cluster.heldBy(id));
        expect(Math.max(...held)).toBeLessThanOrEqual(fairShare(held.length));
        expect(cluster.unserved).toBe(0);
        cluster.pass(60_000);
        expect(cluster.owners).toEqual(before);
      }),
      { numRuns: 15, endOnFailure: true },
    );
  }, 60_000);

  test("no node ever releases a shard for one that has not proven itself", () => {
    fc.assert(
      fc.property(lives, (given) => {
        const { releases } = play(given);
        expect(releases.filter(({ provenOthers }) => provenOthers === 0)).toEqual([]);
      }),
      { numRuns: 40, endOnFailure: true },
    );
  }, 60_000);
});

describe("a node that dies again and again", () => {
  /** Runs beside a healthy node for ten minutes; the longest time in which shards were not served. */
  function crashLoop(livesMs: number, downMs: number, isSeenDead: boolean) {
    const cluster = new ClusterSimulation(uniform(1));
    const healthy = cluster.start("healthy");
    cluster.pass(20_000);
    let unservedMs = 0;
    while (cluster.nowMs < 600_000) {
      const looping = cluster.start("looping");
      for (const [ms, isRunning] of [
        [livesMs, true],
        [downMs, false],
      ] as const) {
        if (!isRunning) cluster.kill(looping);
        if (!isRunning && isSeenDead) cluster.endLease(looping);
        for (let passedMs = 0; passedMs < ms; passedMs += 1000) {
          cluster.pass(1000);
          if (cluster.unserved > 0) unservedMs += 1000;
        }
      }
    }
    return { held: cluster.heldBy(healthy), unservedMs, releases: cluster.releases };
  }

  test.each([1_000, 2_000, 4_000, 5_000])(
    "a node that dies every %i ms takes no shard from a healthy one",
    (livesMs) => {
      expect(crashLoop(livesMs, 1_000, false)).toEqual({ held: 256, unservedMs: 0, releases: [] });
    },
  );

  test("a node that keeps dying after a longer time is given shards less and less often", () => {
    const { releases, unservedMs } = crashLoop(12_000, 2_000, false);
    expect(releases.length).toBeLessThanOrEqual(2);
    // Each time until the lease of the dead is over, of ten minutes.
    expect(unservedMs).toBeLessThanOrEqual(2 * (LEASE_MS + 3_000));
    expect(crashLoop(12_000, 2_000, true).unservedMs).toBeLessThanOrEqual(2 * 3_000);
  });
});

describe("three nodes of which one is killed every 2 s, while another runs", () => {
  const KILL_INTERVAL_MS = 2_000;
  const PLAYED_MS = 120_000;

  /** How long shards were without a running owner, each time, the shortest first. */
  function killLoop(seed: number, startMs: number, isSeenDead: boolean): number[] {
    const random = uniform(seed);
    const cluster = new ClusterSimulation(random);
    const nodes = ["a", "b", "c"].map((host) => ({ host, id: cluster.start(host), startsAtMs: 0 }));
    cluster.pass(20_000);
    const endMs = cluster.nowMs + PLAYED_MS;
    const unservedSinceMs = new Map<number, number>();
    const spansMs: number[] = [];
    const dead: { readonly id: number; readonly diedAtMs: number }[] = [];
    while (cluster.nowMs < endMs) {
      const running = nodes.filter(({ id }) => cluster.running.includes(id));
      const victim = running[Math.floor(random() * running.length)];
      if (victim !== undefined && running.length > 1 && cluster.nowMs % KILL_INTERVAL_MS === 0) {
        cluster.kill(victim.id);
        dead.push({ id: victim.id, diedAtMs: cluster.nowMs });
        victim.startsAtMs = cluster.nowMs + startMs;
      }
      for (const node of nodes) {
        if (!cluster.running.includes(node.id) && cluster.nowMs >= node.startsAtMs)
          node.id = cluster.start(node.host);
      }
      // Another process of the machine sees it at its next look.
      for (const { id, diedAtMs } of isSeenDead ? dead : []) {
        if (cluster.nowMs === diedAtMs + LOOK_INTERVAL_MS) cluster.endLease(id);
      }
      cluster.pass(250);
      const unserved = new Set(cluster.unservedShards);
      for (const shardId of ALL) {
        const sinceMs = unservedSinceMs.get(shardId);
        if (unserved.has(shardId)) {
          unservedSinceMs.set(shardId, sinceMs ?? cluster.nowMs - 250);
        } else if (sinceMs !== undefined) {
          spansMs.push(cluster.nowMs - sinceMs);
          unservedSinceMs.delete(shardId);
        }
      }
    }
    return spansMs.sort((a, b) => a - b);
  }

  test.each([
    { startMs: 1_500, isSeenDead: true, mostMs: 5_500 },
    { startMs: 3_000, isSeenDead: true, mostMs: 5_500 },
    { startMs: 1_500, isSeenDead: false, mostMs: 17_500 },
    { startMs: 3_000, isSeenDead: false, mostMs: 17_500 },
    { startMs: 8_000, isSeenDead: false, mostMs: 17_500 },
  ])(
    "with starts of $startMs ms and deaths seen by others: $isSeenDead, no shard waits more than $mostMs ms for an owner",
    ({ startMs, isSeenDead, mostMs }) => {
      for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
        const spansMs = killLoop(seed, startMs, isSeenDead);
        expect(spansMs.length).toBeGreaterThan(1_000);
        expect(spansMs.at(-1)).toBeLessThanOrEqual(mostMs);
        // Most wait for the lease of the dead and a look.
        expect(spansMs[Math.floor(spansMs.length / 2)]).toBeLessThanOrEqual(
          LEASE_MS + LOOK_INTERVAL_MS,
        );
      }
    },
  );
});

test("a node takes the other's shards at its next look after the other was killed and its lease ended", () => {
  const cluster = new ClusterSimulation(uniform(1));
  const [staying, leaving] = [cluster.start("a"), cluster.start("b")];
  cluster.pass(20_000);
  expect([cluster.heldBy(staying), cluster.heldBy(leaving)]).toEqual([128, 128]);
  cluster.kill(leaving);
  cluster.pass(LEASE_MS - RENEW_INTERVAL_MS - 1_000);
  expect(cluster.unserved).toBe(128);
  cluster.pass(RENEW_INTERVAL_MS + 2_500);
  expect(cluster.unserved).toBe(0);
});

test("shards that a node leaves are taken up at the next look", () => {
  const cluster = new ClusterSimulation(uniform(1));
  const nodes = ["a", "b", "c"].map((host) => cluster.start(host));
  cluster.pass(30_000);
  cluster.leave(nodes[0] ?? 0);
  cluster.pass(1_250);
  expect(cluster.unserved).toBe(0);
});

test("each death on its host makes a node wait twice as long", () => {
  const atAge = (livedMs: number, crashes: number) => isProven({ ...PROVEN, livedMs, crashes });
  expect([atAge(4_999, 0), atAge(5_000, 0)]).toEqual([false, true]);
  expect([atAge(9_999, 1), atAge(10_000, 1)]).toEqual([false, true]);
  expect([atAge(319_999, 50), atAge(320_000, 50)]).toEqual([false, true]);
});
