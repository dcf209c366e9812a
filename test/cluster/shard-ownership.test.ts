import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { ShardOwnership } from "../../src/cluster/shard-ownership.ts";
import { SHARD_COUNT } from "../../src/core/shard.ts";
import { createLog } from "../../src/runtime/log.ts";
import type { Database } from "../../src/store/database.ts";
import { openTestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { uuids } from "../support/rows.ts";

const LEASE_MS = 15_000;
const RENEW_INTERVAL_MS = 5_000;
const BALANCE_INTERVAL_MS = 1_500;
const ALL = Array.from({ length: SHARD_COUNT }, (_, shardId) => shardId);

let database: Database;
let drop: () => Promise<void>;
/** What other nodes and the passing of the database's time do. */
let sql: postgres.Sql;
const nodes: Node[] = [];

beforeAll(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
  sql = postgres(opened.url, { max: 2, onnotice: () => {} });
});

afterAll(async () => {
  await sql.end({ timeout: 1 });
  await drop();
});

beforeEach(() => sql`delete from nodes`);

afterEach(() => Promise.all(nodes.splice(0).map((node) => node.ownership.stop())));

/** A node reduced to its shards: `holds` is what it has loaded and not dropped. */
class Node {
  readonly id = uuids(Date.now(), 0);
  readonly clock = new FakeClock();
  readonly holds = new Set<number>();
  readonly loads: number[] = [];
  share = 0;
  /** Runs while a shard is being loaded. */
  onLoad: (shardId: number) => Promise<void> | void = () => {};
  readonly ownership: ShardOwnership;

  constructor() {
    nodes.push(this);
    this.ownership = new ShardOwnership({
      database,
      clock: this.clock,
      random: () => 0.5,
      log: createLog({ level: "silent", format: "json" }),
      nodeId: this.id,
      address: "http://node.test",
      claimed: async (shardIds) => {
        for (const shardId of shardIds) {
          this.loads.push(shardId);
          await this.onLoad(shardId);
          this.holds.add(shardId);
        }
      },
      dropped: (shardId) => this.holds.delete(shardId),
      shareChanged: (share) => void (this.share = share),
    });
  }

  get owned(): readonly number[] {
    return this.ownership.owned;
  }

  /** What is held is what is owned: nothing is polled twice, and nothing forgotten. */
  get held(): number[] {
    expect(this.share).toBe(this.owned.length / SHARD_COUNT);
    return [...this.holds].sort((a, b) => a - b);
  }

  /** Passes the time, then waits for the rounds that fell due. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await roundsAreOver(this);
  }

  /** Lets the node look at the cluster once. */
  balance(): Promise<void> {
    return this.pass(BALANCE_INTERVAL_MS);
  }
}

const WAIT = { timeout: 10_000, interval: 10 };

async function holdsAll(node: Node): Promise<void> {
  await vi.waitFor(() => expect(node.held).toEqual(ALL), WAIT);
}

/** Each of the two rounds waits for its next time, and a lease that is held for its end. */
async function roundsAreOver({ clock, ownership }: Node): Promise<void> {
  await vi.waitFor(() => expect(clock.timers).toBe(ownership.hasLease ? 3 : 2), WAIT);
}

async function startedAlone(): Promise<Node> {
  const node = new Node();
  await node.ownership.start();
  await holdsAll(node);
  await roundsAreOver(node);
  return node;
}

/** In the database's time, the node's lease has run out. */
async function leaseRunsOut(node: Node): Promise<void> {
  await sql`update nodes set lease_expires_at = now() - interval '1 s' where id = ${node.id}`;
}

async function shardsOf(node: Node): Promise<number[]> {
  const rows = await sql<{ shard_id: number }[]>`
    select shard_id from shards where owner_id = ${node.id} order by shard_id`;
  return rows.map((row) => row.shard_id);
}

describe("one node", () => {
  test("takes every shard, and owns each from before it is loaded", async () => {
    const node = new Node();
    const ownedBeforeLoaded = new Set<number>();
    node.onLoad = (shardId) => {
      if (node.ownership.owns(shardId) && node.owned.includes(shardId))
        ownedBeforeLoaded.add(shardId);
    };
    await node.ownership.start();
    await holdsAll(node);
    expect(node.owned).toEqual(ALL);
    expect(ownedBeforeLoaded.size).toBe(SHARD_COUNT);
    expect(node.loads).toHaveLength(SHARD_COUNT);
    expect(await shardsOf(node)).toEqual(ALL);
  });

  test("has started, with a lease, before it has loaded anything", async () => {
    const node = new Node();
    const loading = Promise.withResolvers<void>();
    node.onLoad = () => loading.promise;
    await node.ownership.start();
    expect(node.ownership.hasLease).toBe(true);
    expect(node.held).toEqual([]);
    loading.resolve();
    await holdsAll(node);
  });

  test("does not hold a shard that could not be loaded, and loads it again in the next round", async () => {
    const node = new Node();
    node.onLoad = (shardId) => {
      if (shardId === 200 && node.loads.filter((load) => load === shardId).length === 1)
        throw new Error("the database went away");
    };
    await node.ownership.start();
    await vi.waitFor(() => expect(node.loads).toContain(200), WAIT);
    await roundsAreOver(node);
    expect(node.ownership.owns(200)).toBe(false);
    await node.balance();
    expect(node.held).toEqual(ALL);
    expect(node.loads.filter((load) => load === 200)).toHaveLength(2);
  });

  test("leaves nothing behind when it stops: no shard, no lease, nothing in memory, no timer", async () => {
    const node = await startedAlone();
    await node.ownership.stop();
    expect(node.held).toEqual([]);
    expect(node.ownership.hasLease).toBe(false);
    expect(await shardsOf(node)).toEqual([]);
    expect(await sql`select id from nodes`).toEqual([]);
    expect(node.clock.timers).toBe(0);
  });

  test("stops in the middle of a load without beginning another", async () => {
    const node = new Node();
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
  test("is over after 15 s on a clock that never jumps, and everything held is dropped with it", async () => {
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

  test("comes back with the next renewal that succeeds, and what still names the node is loaded again", async () => {
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

  test("is not believed when its renewal was confirmed too late", async () => {
    const node = await startedAlone();
    await sql.begin(async (other) => {
      await other`select from nodes where id = ${node.id} for update`;
      node.clock.advance(RENEW_INTERVAL_MS);
      await vi.waitFor(async () => expect(await statementsThatWait()).toBe(1), WAIT);
      node.clock.advance(LEASE_MS);
    });
    // It arrives 15 s after it was sent, and its lease is over as it begins.
    await vi.waitFor(() => expect(node.clock.nextTimerMs).toBe(0), WAIT);
    await node.pass(0);
    expect(node.ownership.hasLease).toBe(false);
    expect(node.held).toEqual([]);
    await node.pass(RENEW_INTERVAL_MS);
    expect(node.ownership.hasLease).toBe(true);
  });

  test("lets another node take over, which the first accepts when it is back", async () => {
    const first = await startedAlone();
    await leaseRunsOut(first);
    const second = await startedAlone();
    await first.balance();
    expect(first.held).toEqual([]);
    expect(await shardsOf(second)).toEqual(ALL);
  });
});

describe("two nodes", () => {
  test("settle at half of the shards each, and no shard is with both or with none", async () => {
    const [first, second] = await settledPair();
    expect([first.held.length, second.held.length]).toEqual([128, 128]);
    expect([...first.held, ...second.held].sort((a, b) => a - b)).toEqual(ALL);
    expect(await shardsOf(first)).toEqual(first.held);
    expect(await shardsOf(second)).toEqual(second.held);
  });

  test("that start together divide the shards, each loading only what it got", async () => {
    const pair = [new Node(), new Node()];
    await Promise.all(pair.map((node) => node.ownership.start()));
    await Promise.all(pair.map((node) => roundsAreOver(node)));
    // The first look of either may have come before the other was there.
    for (const node of [...pair, ...pair]) await node.balance();
    expect(pair.map((node) => node.held.length)).toEqual([128, 128]);
    expect(pair.flatMap((node) => node.held).sort((a, b) => a - b)).toEqual(ALL);
    for (const node of pair) expect(await shardsOf(node)).toEqual(node.held);
  });

  test("a node that stops leaves its shards to the other, which takes them at its next look", async () => {
    const [first, second] = await settledPair();
    await second.ownership.stop();
    await first.balance();
    expect(first.held).toEqual(ALL);
    // What it had was not loaded again.
    expect(first.loads).toHaveLength(SHARD_COUNT + 128);
  });

  test("a node that was killed keeps its shards until its lease runs out, and then loses all", async () => {
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
async function settledPair(): Promise<[Node, Node]> {
  const first = await startedAlone();
  const second = new Node();
  await second.ownership.start();
  await roundsAreOver(second);
  for (const node of [first, second]) await node.balance();
  return [first, second];
}

async function statementsThatWait(): Promise<number> {
  const [row] = await sql<{ waiting: number }[]>`
    select count(*)::int as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return row?.waiting ?? 0;
}
