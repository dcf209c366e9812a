import { arrayLiteral } from "./array-literal.ts";
import type { Database } from "./database.ts";
import { CLOCK_MS } from "./read-clock.ts";

/** Lease times are the database's: nodes need not agree on what time it is. */

const RENEW = `
with renewed as (
  insert into nodes (id, address, started_at, lease_expires_at, live_jobs)
  values ($1, $2, now(), now() + make_interval(secs => $3::float8 / 1000), $4::text::jsonb)
  on conflict (id) do update set
    lease_expires_at = excluded.lease_expires_at, live_jobs = excluded.live_jobs
)
select ${CLOCK_MS} as "databaseMs", null as "projectId", 0::float8 as count
union all
select null, key, sum(value::bigint)::float8
from nodes, jsonb_each_text(live_jobs)
where id <> $1 and lease_expires_at > now()
group by key
`;

interface RenewedRow {
  readonly databaseMs: number | null;
  readonly projectId: string | null;
  readonly count: number;
}

export interface Renewed {
  /** How many live jobs of each project the other nodes watch, as they said last. */
  readonly liveJobsElsewhere: ReadonlyMap<string, number>;
  /** The database's time while it was renewed, in epoch milliseconds. */
  readonly databaseMs: number;
}

/**
 * Says that this node lives for another `leaseMs`, and how many live jobs of each project it
 * watches. Returns what the others said, and the time.
 */
export async function renewLease(
  database: Database,
  node: {
    readonly id: string;
    readonly address: string;
    readonly liveJobs: ReadonlyMap<string, number>;
  },
  leaseMs: number,
  timeoutMs: number,
): Promise<Renewed> {
  const liveJobs = JSON.stringify(Object.fromEntries(node.liveJobs));
  const rows = await database.run(
    "renew-lease",
    (sql) =>
      sql.unsafe<RenewedRow[]>(RENEW, [node.id, node.address, leaseMs, liveJobs], {
        prepare: true,
      }),
    { timeoutMs },
  );
  const liveJobsElsewhere = new Map<string, number>();
  for (const { projectId, count } of rows) {
    if (projectId !== null) liveJobsElsewhere.set(projectId, count);
  }
  const databaseMs = rows.find((row) => row.databaseMs !== null)?.databaseMs;
  if (typeof databaseMs !== "number") throw new Error("the server told no time");
  return { liveJobsElsewhere, databaseMs };
}

export interface ClusterView {
  readonly liveNodes: number;
  /** Shards whose owner is this node. */
  readonly mine: readonly number[];
  /** Shards that nobody alive owns. */
  readonly free: readonly number[];
}

const VIEW = `
select shard_id, owner_id = $1 as is_mine,
  (select count(*)::int from nodes where lease_expires_at > now()) as live_nodes
from shards
where owner_id = $1 or owner_id is null
  or not exists (select from nodes where nodes.id = owner_id and lease_expires_at > now())
order by shard_id
`;

/** How the shards stand, seen from one node. */
export async function viewCluster(database: Database, nodeId: string): Promise<ClusterView> {
  interface Row {
    readonly shard_id: number;
    readonly is_mine: boolean | null;
    readonly live_nodes: number;
  }
  const rows = await database.run("view-cluster", (sql) =>
    sql.unsafe<Row[]>(VIEW, [nodeId], { prepare: true }),
  );
  const liveNodes = rows[0]?.live_nodes ?? (await countLiveNodes(database));
  const mine = rows.filter((row) => row.is_mine === true).map((row) => row.shard_id);
  const free = rows.filter((row) => row.is_mine !== true).map((row) => row.shard_id);
  return { liveNodes, mine, free };
}

async function countLiveNodes(database: Database): Promise<number> {
  const rows = await database.run("count-live-nodes", (sql) =>
    sql.unsafe<{ count: number }[]>(
      "select count(*)::int as count from nodes where lease_expires_at > now()",
    ),
  );
  return rows[0]?.count ?? 0;
}

const CLAIM = `
update shards set owner_id = $1
where shard_id = any ($2::text::smallint[])
  and (owner_id is null
    or not exists (select from nodes where nodes.id = owner_id and lease_expires_at > now()))
returning shard_id
`;

/** Takes those of the shards that are still free; returns which. */
export async function claimShards(
  database: Database,
  nodeId: string,
  shardIds: readonly number[],
): Promise<number[]> {
  const rows = await database.run("claim-shards", (sql) =>
    sql.unsafe<{ shard_id: number }[]>(CLAIM, [nodeId, arrayLiteral(shardIds)], { prepare: true }),
  );
  return rows.map((row) => row.shard_id);
}

/** Gives up shards; those that another node has taken since stay with it. */
export async function releaseShards(
  database: Database,
  nodeId: string,
  shardIds: readonly number[],
): Promise<void> {
  await database.run("release-shards", (sql) =>
    sql.unsafe(
      "update shards set owner_id = null where owner_id = $1 and shard_id = any ($2::text::smallint[])",
      [nodeId, arrayLiteral(shardIds)],
    ),
  );
}

/** The last thing a node does: it gives up all it owns and its lease. */
export async function leaveCluster(database: Database, nodeId: string): Promise<void> {
  await database.run("leave-cluster", (sql) =>
    sql.unsafe(
      `with left_behind as (update shards set owner_id = null where owner_id = $1)
      delete from nodes where id = $1`,
      [nodeId],
    ),
  );
}

/** Forgets nodes whose lease ran out long ago. */
export async function forgetDeadNodes(database: Database): Promise<void> {
  await database.run("forget-dead-nodes", (sql) =>
    sql.unsafe(`delete from nodes where lease_expires_at < now() - interval '1 hour'`),
  );
}

/**
 * Ends every lease. Only for a database that belongs to this process alone: whoever held a lease
 * there is dead, and waiting for it to run out would only delay what is due.
 */
export async function endAllLeases(database: Database): Promise<void> {
  await database.run("end-all-leases", (sql) => sql.unsafe("delete from nodes"));
}
