import { existsSync } from "node:fs";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { SHARD_COUNT } from "../../../src/core/ids/ids.ts";
import {
  ownIdentity,
  type ProcessIdentity,
} from "../../../src/runtime/process/process-identity.ts";
import type { Database } from "../../../src/store/db/database.ts";
import { openTestDatabase } from "../../support/database.ts";
import { ALL, ClusterNode, holdsAll, roundsAreOver, WAIT } from "./cluster-node.ts";

const LEASE_MS = 12_000;
const RENEW_INTERVAL_MS = 3_000;

let database: Database;
let drop: () => Promise<void>;
/** Acts as other nodes, and moves the database's time. */
let sql: postgres.Sql;
const nodes: ClusterNode[] = [];

beforeAll(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
  sql = postgres(opened.url, { max: 2, onnotice: () => {} });
  await keepLeases();
});

afterAll(async () => {
  await sql.end({ timeout: 1 });
  await drop();
});

beforeEach(() => sql`delete from nodes`);

afterEach(() => Promise.all(nodes.splice(0).map((node) => node.ownership.stop())));

function newNode(): ClusterNode {
  const node = new ClusterNode(database);
  nodes.push(node);
  return node;
}

async function startedAlone(): Promise<ClusterNode> {
  const node = newNode();
  await node.ownership.start();
  await holdsAll(node);
  await roundsAreOver(node);
  return node;
}

/**
 * Nodes renew their leases by the clock of the test, which run out by the database's: on a busy machine
 * that would be in the middle of a test. Here they only run out when a test says so.
 */
async function keepLeases(): Promise<void> {
  await sql.unsafe(`
    create function keep_lease() returns trigger language plpgsql as $$
    begin
      -- A lease that ends now is rounded to the next millisecond half of the time.
      if new.lease_expires_at > now() + interval '1 second' then
        new.lease_expires_at := now() + interval '1 hour';
      end if;
      return new;
    end $$;
    create trigger keep_lease before insert or update on nodes
      for each row execute function keep_lease()`);
}

/** In the database's time, the node's lease has run out. */
async function leaseRunsOut(node: ClusterNode): Promise<void> {
  await sql`update nodes set lease_expires_at = now() - interval '1 s' where id = ${node.id}`;
}

async function shardsOf(node: ClusterNode): Promise<number[]> {
  const rows = await sql<{ shard_id: number }[]>`
    select shard_id from shards where owner_id = ${node.id} order by shard_id`;
  return rows.map((row) => row.shard_id);
}

describe("one node", () => {
  test("a lone node claims every shard, and owns each before loading it", async () => {
    const node = newNode();
    const ownedBeforeLoaded = new Set<number>();
    node.onLoad = (shardId) => {
      if (node.shards.has(shardId) && node.owned.includes(shardId)) ownedBeforeLoaded.add(shardId);
    };
    await node.ownership.start();
    await holdsAll(node);
    expect(node.owned).toEqual(ALL);
    expect(ownedBeforeLoaded.size).toBe(SHARD_COUNT);
    expect(node.loads).toHaveLength(SHARD_COUNT);
    expect(await shardsOf(node)).toEqual(ALL);
  });

  test("a lone node has started, with a lease, before it has loaded anything", async () => {
    const node = newNode();
    const loading = Promise.withResolvers<void>();
    node.onLoad = () => loading.promise;
    await node.ownership.start();
    expect(node.ownership.hasLease).toBe(true);
    expect(node.held).toEqual([]);
    loading.resolve();
    await holdsAll(node);
  });

  test("a lone node does not own a shard that could not be loaded, and loads it again in the next round", async () => {
    const node = newNode();
    node.onLoad = (shardId) => {
      if (shardId === 200 && node.loads.filter((load) => load === shardId).length === 1)
        throw new Error("the database went away");
    };
    await node.ownership.start();
    await vi.waitFor(() => expect(node.loads).toContain(200), WAIT);
    await roundsAreOver(node);
    expect(node.shards.has(200)).toBe(false);
    await node.balance();
    expect(node.held).toEqual(ALL);
    expect(node.loads.filter((load) => load === 200)).toHaveLength(2);
  });

  test("a node that stops leaves nothing behind: no shard, no lease, nothing in memory, no timer", async () => {
    const node = await startedAlone();
    await node.ownership.stop();
    expect(node.held).toEqual([]);
    expect(node.ownership.hasLease).toBe(false);
    expect(await shardsOf(node)).toEqual([]);
    expect(await sql`select id from nodes`).toEqual([]);
    expect(node.clock.timers).toBe(0);
  });

  test("a node stops in the middle of a load without beginning another", async () => {
    const node = newNode();
    const loading = Promise.withResolvers<void>();
    node.onLoad = () => loading.promise;
    await node.ownership.start();
    await vi.waitFor(() => expect(node.loads).toHaveLength(1), WAIT);
    const stopped = node.ownership.stop();
    loading.resolve();
    await stopped;
    expect(node.loads).toHaveLength(32);
    expect(node.owned).toEqual([]);
    expect(await shardsOf(node)).toEqual([]);
  });
});

describe("a lease that is not renewed", () => {
  test("a lease that is not renewed ends after 12 s of the monotonic clock, and its shards are dropped", async () => {
    const node = await startedAlone();
    await sql`alter table nodes rename to nodes_out_of_reach`;
    node.clock.setNow(0);
    node.clock.advance(LEASE_MS - 1);
    expect(node.ownership.hasLease).toBe(true);
    expect(node.held).toEqual(ALL);
    node.clock.advance(1);
    expect(node.ownership.hasLease).toBe(false);
    expect(node.owned).toEqual([]);
    expect(node.held).toEqual([]);
    await sql`alter table nodes_out_of_reach rename to nodes`;
  });

  test("a lost lease returns with the next successful renewal, and shards that still name the node are loaded again", async () => {
    const node = await startedAlone();
    await sql`alter table nodes rename to nodes_out_of_reach`;
    await node.pass(LEASE_MS);
    expect(node.held).toEqual([]);
    await sql`alter table nodes_out_of_reach rename to nodes`;
    await leaseRunsOut(node);
    await node.pass(RENEW_INTERVAL_MS);
    expect(node.ownership.hasLease).toBe(true);
    await node.balance();
    expect(node.held).toEqual(ALL);
    expect(node.loads).toHaveLength(2 * SHARD_COUNT);
  });

  test("a renewal that is confirmed too late does not keep the lease", async () => {
    const node = await startedAlone();
    await sql.begin(async (other) => {
      await other`select from nodes where id = ${node.id} for update`;
      node.clock.advance(RENEW_INTERVAL_MS);
      await vi.waitFor(async () => expect(await statementsThatWait()).toBe(1), WAIT);
      node.clock.advance(LEASE_MS);
    });
    // It arrives 12 s after it was sent, and its lease is over as it begins.
    await vi.waitFor(() => expect(node.clock.nextTimerMs).toBe(0), WAIT);
    await node.pass(0);
    expect(node.ownership.hasLease).toBe(false);
    expect(node.held).toEqual([]);
    await node.pass(RENEW_INTERVAL_MS);
    expect(node.ownership.hasLease).toBe(true);
  });

  test("an expired lease lets another node take over, which the first accepts on its return", async () => {
    const first = await startedAlone();
    await leaseRunsOut(first);
    const second = await startedAlone();
    await first.balance();
    expect(first.held).toEqual([]);
    expect(await shardsOf(second)).toEqual(ALL);
  });
});

describe("a node that has not proven itself", () => {
  test("a node that has not proven itself gets no shard of another", async () => {
    const first = await startedAlone();
    const second = newNode();
    await second.ownership.start();
    await roundsAreOver(second);
    for (const node of [first, second, first, second]) await node.balance();
    expect([first.held.length, second.held.length]).toEqual([SHARD_COUNT, 0]);
    await hasLived(second);
    for (const node of [first, second]) await node.balance();
    expect([first.held.length, second.held.length]).toEqual([128, 128]);
  });
});

// Elsewhere its lease runs out.
describe.runIf(existsSync("/proc/self/stat"))("a dead process of the same machine", () => {
  async function leftBehind(identity: ProcessIdentity): Promise<ClusterNode> {
    const dead = new ClusterNode(database, identity);
    await dead.ownership.start();
    await holdsAll(dead);
    // A round that still ran would claim again what another node has taken.
    await roundsAreOver(dead);
    return dead;
  }
  const own = ownIdentity();

  test("a dead process of the same machine is replaced at the first round of the next one, with the jobs not polled since", async () => {
    const dead = await leftBehind({ ...own, pidStart: "1" });
    await sql`update nodes set renewed_at = now() - interval '3 s' where id = ${dead.id}`;
    const next = await startedAlone();
    expect(next.held).toEqual(ALL);
    const unserved = [...next.unserved.values()];
    expect(Math.min(...unserved)).toBeGreaterThanOrEqual(3_000);
    expect(Math.max(...unserved)).toBeLessThan(600_000);
    await dead.ownership.stop();
  });

  test("a dead process of another machine or container is replaced only after its lease ends", async () => {
    const dead = await leftBehind({ ...own, machine: "another", pidStart: "1" });
    const next = newNode();
    await next.ownership.start();
    await roundsAreOver(next);
    for (let look = 0; look < 6; look += 1) await next.balance();
    expect(next.held).toEqual([]);
    await dead.ownership.stop();
    await next.balance();
    await next.balance();
    expect(next.held).toEqual(ALL);
  });
});

describe("two nodes", () => {
  test("two nodes settle at half of the shards each; every shard has exactly one owner", async () => {
    const [first, second] = await settledPair();
    expect([first.held.length, second.held.length]).toEqual([128, 128]);
    expect([...first.held, ...second.held].sort((a, b) => a - b)).toEqual(ALL);
    expect(await shardsOf(first)).toEqual(first.held);
    expect(await shardsOf(second)).toEqual(second.held);
  });

  test("two nodes that start together divide the shards, each loading only its own", async () => {
    const pair = [newNode(), newNode()];
    // Neither looks before both are there: the first of two that start apart takes everything.
    await sql.begin(async (other) => {
      await other`lock table shards`;
      await Promise.all(pair.map((node) => node.ownership.start()));
    });
    await Promise.all(pair.map((node) => roundsAreOver(node)));
    for (const node of [...pair, ...pair]) await node.balance();
    expect(pair.map((node) => node.held.length)).toEqual([128, 128]);
    expect(pair.flatMap((node) => node.held).sort((a, b) => a - b)).toEqual(ALL);
    for (const node of pair) expect(await shardsOf(node)).toEqual(node.held);
  });

  test("a node that stops leaves its shards to the other, which claims them in its next round", async () => {
    const [first, second] = await settledPair();
    await second.ownership.stop();
    await first.balance();
    expect(first.held).toEqual(ALL);
    // Shards that it had already were not loaded again.
    expect(first.loads).toHaveLength(SHARD_COUNT + 128);
  });

  test("a killed node keeps its shards until its lease ends, and then loses them all", async () => {
    const [first, second] = await settledPair();
    await first.balance();
    expect(first.held).toHaveLength(128);
    await leaseRunsOut(second);
    await first.balance();
    expect(first.held).toEqual(ALL);
    await second.balance();
    expect(second.held).toEqual([]);
  });
});

/** The first gives back what the second then takes. */
async function settledPair(): Promise<[ClusterNode, ClusterNode]> {
  const first = await startedAlone();
  const second = newNode();
  await second.ownership.start();
  await roundsAreOver(second);
  await hasLived(second);
  for (const node of [first, second]) await node.balance();
  return [first, second];
}

/** In the database's time, the node has renewed its lease for a while. */
async function hasLived(node: ClusterNode): Promise<void> {
  await sql`update nodes set started_at = renewed_at - interval '1 minute' where id = ${node.id}`;
}

async function statementsThatWait(): Promise<number> {
  const [row] = await sql<{ waiting: number }[]>`
    select count(*)::int as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return row?.waiting ?? 0;
}
