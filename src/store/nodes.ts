import type { ProcessIdentity } from "../runtime/process/process-identity.ts";
import { arrayLiteral } from "./sql/array-literal.ts";
import type { Database } from "./db/database.ts";
import { CLOCK_MS } from "./db/read-clock.ts";

/** Lease times are the database's: nodes need not agree on what time it is. */

/** Dead nodes are remembered for so long, to tell which hosts' processes die again and again. */
const DEAD_REMEMBERED = "interval '10 minutes'";

const RENEW = `
with renewed as (
  insert into nodes (
    id, address, host, machine, pid, pid_start, started_at, renewed_at, lease_expires_at, live_jobs
  )
  values (
    $1, $2, $5, $6, $7, $8, now(), now(), now() + make_interval(secs => $3::float8 / 1000),
    $4::text::jsonb
  )
  on conflict (id) do update set
    renewed_at = excluded.renewed_at, renewals = nodes.renewals + 1,
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
    readonly identity: ProcessIdentity;
    readonly liveJobs: ReadonlyMap<string, number>;
  },
  leaseMs: number,
  timeoutMs: number,
): Promise<Renewed> {
  const liveJobs = JSON.stringify(Object.fromEntries(node.liveJobs));
  const { host, machine, pid, pidStart } = node.identity;
  const rows = await database.run(
    "renew-lease",
    (sql) =>
      sql.unsafe<RenewedRow[]>(
        RENEW,
        [node.id, node.address, leaseMs, liveJobs, host, machine, pid, pidStart],
        { prepare: true },
      ),
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

/** A node, or one that left shards behind, or shards that are no node's. */
export interface ClusterRow {
  /** Null for shards that no node owns. */
  readonly id: string | null;
  readonly shardIds: readonly number[];
  readonly isLive: boolean;
  /** Null once the node is forgotten. */
  readonly identity: ProcessIdentity | null;
  readonly renewals: number;
  /** From its start to the last renewal of its lease. */
  readonly livedMs: number;
  /** Since it renewed its lease, or the shards were released; null when that was long ago. */
  readonly sinceSeenMs: number | null;
  /** Processes on its host that died lately without leaving. */
  readonly crashes: number;
}

const VIEW = `
select node.id is not null as "isKnown", coalesce(node.id, held.owner_id) as id,
  coalesce(held.shard_ids, '') as "shardIds",
  coalesce(node.lease_expires_at > now(), false) as "isLive",
  node.host, node.machine, node.pid, node.pid_start as "pidStart",
  coalesce(node.renewals, 0) as renewals,
  (coalesce(extract(epoch from node.renewed_at - node.started_at), 0) * 1000)::float8 as "livedMs",
  (extract(epoch from now() - coalesce(node.renewed_at, held.released_at)) * 1000)::float8
    as "sinceSeenMs",
  (select count(*)::int from nodes as dead
    where dead.host = node.host and dead.id <> node.id
      and dead.lease_expires_at <= now() and dead.renewed_at > now() - ${DEAD_REMEMBERED}) as crashes
from (
  select owner_id, case when owner_id is null then released_at end as released_at,
    string_agg(shard_id::text, ',' order by shard_id) as shard_ids
  from shards
  group by 1, 2
) as held
full join nodes as node on node.id = held.owner_id
where held.shard_ids is not null or node.lease_expires_at > now()
`;

interface ViewRow extends Omit<ClusterRow, "shardIds" | "identity"> {
  readonly isKnown: boolean;
  readonly shardIds: string;
  readonly host: string;
  readonly machine: string | null;
  readonly pid: number;
  readonly pidStart: string | null;
}

/** How nodes and shards stand: every live node, and every shard. */
export async function viewCluster(database: Database): Promise<ClusterRow[]> {
  const rows = await database.run("view-cluster", (sql) =>
    sql.unsafe<ViewRow[]>(VIEW, [], { prepare: true }),
  );
  return rows.map((row) => ({
    id: row.id,
    shardIds: row.shardIds === "" ? [] : row.shardIds.split(",").map(Number),
    isLive: row.isLive,
    identity: row.isKnown ? identityOf(row) : null,
    renewals: row.renewals,
    livedMs: row.livedMs,
    sinceSeenMs: row.sinceSeenMs,
    crashes: row.crashes,
  }));
}

function identityOf({ host, machine, pid, pidStart }: ProcessIdentity): ProcessIdentity {
  return { host, machine, pid, pidStart };
}

/**
 * Ends the lease of a node whose process is dead, unless it has renewed it since it was looked at:
 * then somebody was wrong.
 */
export async function endLease(
  database: Database,
  node: { readonly id: string; readonly renewals: number },
): Promise<void> {
  await database.run("end-lease", (sql) =>
    sql.unsafe(
      `update nodes set lease_expires_at = now()
      where id = $1 and renewals = $2 and lease_expires_at > now()`,
      [node.id, node.renewals],
    ),
  );
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
      `update shards set owner_id = null, released_at = now()
      where owner_id = $1 and shard_id = any ($2::text::smallint[])`,
      [nodeId, arrayLiteral(shardIds)],
    ),
  );
}

/** The last thing a node does: it gives up all it owns and its lease. */
export async function leaveCluster(database: Database, nodeId: string): Promise<void> {
  await database.run("leave-cluster", (sql) =>
    sql.unsafe(
      `with left_behind as (
        update shards set owner_id = null, released_at = now() where owner_id = $1
      )
      delete from nodes where id = $1`,
      [nodeId],
    ),
  );
}

/** Forgets nodes whose lease ran out long ago. */
export async function forgetDeadNodes(database: Database): Promise<void> {
  await database.run("forget-dead-nodes", (sql) =>
    sql.unsafe(`delete from nodes where lease_expires_at < now() - ${DEAD_REMEMBERED}`),
  );
}

/**
 * Ends every lease. Only for a database that belongs to this process alone: whoever held a lease
 * there is dead, and waiting for it to run out would only delay what is due.
 */
export async function endAllLeases(database: Database): Promise<void> {
  await database.run("end-all-leases", (sql) => sql.unsafe("delete from nodes"));
}
