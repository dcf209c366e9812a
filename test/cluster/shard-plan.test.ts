import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planShards } from "../../src/cluster/shard-plan.ts";
import { fairShare, SHARD_COUNT } from "../../src/core/shard.ts";
import type { ClusterView } from "../../src/store/node-leases.ts";

/** Four in most cases, seven in one of a thousand. */
const ROUNDS_MAX = 12;
const ALL = Array.from({ length: SHARD_COUNT }, (_, shardId) => shardId);

/** The table of shards: who owns which, as every node sees it. */
type Owners = (number | null)[];

function viewOf(owners: Owners, node: number, liveNodes: readonly number[]): ClusterView {
  return {
    liveNodes: liveNodes.length,
    mine: ALL.filter((shardId) => owners[shardId] === node),
    free: ALL.filter((shardId) => !liveNodes.includes(owners[shardId] ?? -1)),
  };
}

/**
 * One round of balancing: every node looks before anybody acts, which is the worst case. A claim
 * takes what is still free then.
 */
function balance(owners: Owners, liveNodes: readonly number[], random: () => number): void {
  const plans = liveNodes.map((node) => ({
    node,
    plan: planShards(viewOf(owners, node, liveNodes), random()),
  }));
  for (const { node, plan } of plans) {
    for (const shardId of plan.release) {
      if (owners[shardId] === node) owners[shardId] = null;
    }
    for (const shardId of plan.claim) {
      if (!liveNodes.includes(owners[shardId] ?? -1)) owners[shardId] = node;
    }
  }
}

function isSettled(owners: Owners, liveNodes: readonly number[]): boolean {
  const share = fairShare(liveNodes.length);
  return (
    owners.every((owner) => owner !== null && liveNodes.includes(owner)) &&
    liveNodes.every((node) => owners.filter((owner) => owner === node).length <= share)
  );
}

/** Any number of nodes on shards that anybody may have owned before, the dead included. */
const cluster = fc.record({
  liveNodes: fc.integer({ min: 1, max: 40 }).map((count) => ALL.slice(0, count)),
  owners: fc.array(fc.option(fc.integer({ min: 0, max: 60 })), {
    minLength: SHARD_COUNT,
    maxLength: SHARD_COUNT,
  }),
});

const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** Uniform in [0, 1), from a seed (mulberry32). */
function* uniform(seed: number): Generator<number> {
  for (let state = seed + 0x6d2b79f5; ; state += 0x6d2b79f5) {
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

function roundsToSettle(
  owners: Owners,
  liveNodes: readonly number[],
  draws: Iterator<number>,
): number {
  const now = [...owners];
  let rounds = 0;
  for (; !isSettled(now, liveNodes) && rounds < 100; rounds += 1) {
    balance(now, liveNodes, () => Number(draws.next().value));
  }
  return rounds;
}

describe("any number of nodes, whatever they owned before", () => {
  test("settle, with the worst of luck in as many rounds as there are nodes", () => {
    fc.assert(
      fc.property(cluster, fc.infiniteStream(unit), ({ liveNodes, owners }, draws) => {
        expect(roundsToSettle(owners, liveNodes, draws)).toBeLessThanOrEqual(liveNodes.length + 1);
      }),
    );
  });

  test("settle in a few rounds with luck as it is", () => {
    fc.assert(
      fc.property(cluster, fc.integer(), ({ liveNodes, owners }, seed) => {
        expect(roundsToSettle(owners, liveNodes, uniform(seed))).toBeLessThanOrEqual(ROUNDS_MAX);
      }),
    );
  });

  test("keep what they have once they are settled", () => {
    fc.assert(
      fc.property(cluster, fc.double({ min: 0, max: 0.99, noNaN: true }), (given, random) => {
        const { liveNodes } = given;
        const owners: Owners = ALL.map((shardId) => shardId % liveNodes.length);
        const before = [...owners];
        balance(owners, liveNodes, () => random);
        expect(owners).toEqual(before);
      }),
    );
  });

  test("never claim what is not free, nor release what is not theirs, nor do both", () => {
    fc.assert(
      fc.property(cluster, fc.double({ min: 0, max: 0.99, noNaN: true }), (given, random) => {
        const { liveNodes, owners } = given;
        for (const node of liveNodes) {
          const view = viewOf(owners, node, liveNodes);
          const { claim, release } = planShards(view, random);
          expect(claim.every((shardId) => view.free.includes(shardId))).toBe(true);
          expect(new Set(claim).size).toBe(claim.length);
          expect(release.every((shardId) => view.mine.includes(shardId))).toBe(true);
          expect(Math.min(claim.length, release.length)).toBe(0);
        }
      }),
    );
  });
});

test("one node takes all, and gives half back when another comes", () => {
  expect(planShards({ liveNodes: 1, mine: [], free: ALL }, 0).claim).toEqual(ALL);
  const { claim, release } = planShards({ liveNodes: 2, mine: ALL, free: [] }, 0.5);
  expect(claim).toEqual([]);
  expect(release).toHaveLength(SHARD_COUNT / 2);
});

test("nodes that look at the same time reach for different shards", () => {
  const view: ClusterView = { liveNodes: 4, mine: [], free: ALL };
  const claims = [0, 0.25, 0.5, 0.75].map((random) => planShards(view, random).claim);
  expect(new Set(claims.flat()).size).toBe(SHARD_COUNT);
});
