import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { totalLoad } from "../../../src/api/connections/load.ts";
import { ConnectionLoads } from "../../../src/cluster/questions/connection-loads.ts";
import { LANE_FREE } from "../../../src/core/waiting/lane-status.ts";
import type { ConnectionLoad, NamedLoad } from "../../../src/polling/upstream/upstreams.ts";
import { openTestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { CONNECTION_ID, PROJECT_ID, uuids } from "../../support/rows.ts";

const IDLE: ConnectionLoad = {
  ...LANE_FREE,
  jobs: 1,
  inFlight: 0,
  waiting: 0,
  behindMs: 0,
  requestsPerSecond: 2.5,
};
const OWN = uuids(Date.now(), 0);
const OTHER = uuids(Date.now(), 0);

let opened: Awaited<ReturnType<typeof openTestDatabase>>;
beforeAll(async () => {
  opened = await openTestDatabase();
  const { database } = opened;
  for (const [shardId, id] of [OWN, OTHER].entries()) {
    await database.run("test", (sql) =>
      sql.unsafe(
        `insert into nodes (id, address, host, pid, started_at, renewed_at, lease_expires_at)
         values ($1, '', '', 1, now(), now(), now() + interval '1 hour')`,
        [id],
      ),
    );
    await database.run("test", (sql) =>
      sql.unsafe("update shards set owner_id = $1 where shard_id = $2", [id, shardId]),
    );
  }
});
afterAll(() => opened.drop());

let clock: FakeClock;
let asked: string[];
let other: readonly NamedLoad[] | null;
beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  other = [{ connectionId: CONNECTION_ID, load: { ...IDLE, jobs: 4 } }];
});

const newLoads = () =>
  new ConnectionLoads(
    { clock },
    OWN,
    { loadsOf: () => [{ connectionId: CONNECTION_ID, load: IDLE }] },
    {
      inspectLoads: async ({ shardId, projectId }) => {
        asked.push(`${shardId} ${projectId}`);
        return other;
      },
    },
  );

describe("the load of connections", () => {
  test("the load is gathered from every node, once for all who look at the same time", async () => {
    const loads = newLoads();
    const [first] = await Promise.all([
      loads.of(opened.database, PROJECT_ID),
      loads.of(opened.database, PROJECT_ID),
    ]);
    expect(asked).toEqual([`1 ${PROJECT_ID}`]);
    expect(first.missingNodes).toEqual([]);
    const nodes = first.byConnection.get(CONNECTION_ID) ?? [];
    expect(nodes.map(({ nodeId, load }) => [nodeId, load.jobs])).toEqual([
      [OWN, 1],
      [OTHER, 4],
    ]);
    clock.advance(2_000);
    await loads.of(opened.database, PROJECT_ID);
    expect(asked).toHaveLength(2);
  });

  test("the load names the nodes that did not answer", async () => {
    other = null;
    const { missingNodes, byConnection } = await newLoads().of(opened.database, PROJECT_ID);
    expect(missingNodes).toEqual([OTHER]);
    expect(byConnection.get(CONNECTION_ID)).toHaveLength(1);
  });
});

test("loads of several nodes add up, and the one that is most behind says what holds them back", () => {
  const slow = {
    ...IDLE,
    hold: "rate",
    behindMs: 9_000,
    waiting: 3,
    pausedUntilMs: 20,
    breaker: "half_open",
  } as const;
  const held = { ...IDLE, hold: "concurrency", behindMs: 10, inFlight: 2, waiting: 1 } as const;
  const total = { hold: "rate", jobs: 3, inFlight: 2, waiting: 4, behindMs: 9_000 };
  for (const nodes of [
    [IDLE, slow, held],
    [held, slow, IDLE],
  ]) {
    expect(totalLoad(nodes)).toMatchObject({
      ...total,
      requestsPerSecond: 7.5,
      breaker: "half_open",
      pausedUntilMs: 20,
    });
  }
  expect(totalLoad([held, { ...IDLE, requestsPerSecond: null }])).toMatchObject({
    hold: "concurrency",
    requestsPerSecond: null,
  });
  expect(totalLoad([])).toBeNull();
});
