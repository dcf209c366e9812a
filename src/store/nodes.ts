import type { RowKey } from "./sql/row-source.ts";
import type { ProcessIdentity } from "../runtime/process/process-identity.ts";
import { and, eq, gt, isNull, lt, notExists, or, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { Database } from "./db/database.ts";
import { CLOCK_MS } from "./db/read-clock.ts";
import { nodes, shards } from "./schema/schema.ts";
import {
  excluded,
  type Given,
  isAnyOf,
  nameOf,
  qualified,
  statement,
  template,
} from "./sql/statement.ts";

/** Lease times are the database's: nodes need not agree on the time. */

/** How long dead nodes are remembered, to recognize hosts whose processes die repeatedly. */
const DEAD_REMEMBERED = sql`interval '10 minutes'`;

const { id, address, host, machine, pid, pidStart } = nodes;
const { startedAtMs, renewedAtMs, renewals, leaseExpiresAtMs, liveJobs } = nodes;

const RENEW = template(
  (
    given: Given<
      ProcessIdentity & { id: string; address: string; leaseMs: number; liveJobs: string }
    >,
  ) => sql<{
    readonly databaseMs: number | null;
    readonly projectId: string | null;
    readonly count: number;
  }>`
with renewed as (
  insert into ${nodes} (
    ${nameOf(id)}, ${nameOf(address)}, ${nameOf(host)}, ${nameOf(machine)}, ${nameOf(pid)},
    ${nameOf(pidStart)}, ${nameOf(startedAtMs)}, ${nameOf(renewedAtMs)}, ${nameOf(leaseExpiresAtMs)},
    ${nameOf(liveJobs)}
  )
  values (
    ${given.id}, ${given.address}, ${given.host}, ${given.machine}, ${given.pid},
    ${given.pidStart}, now(), now(), now() + make_interval(secs => ${given.leaseMs}::float8 / 1000),
    ${given.liveJobs}::text::jsonb
  )
  on conflict (${nameOf(id)}) do update set
    ${nameOf(renewedAtMs)} = ${excluded(renewedAtMs)}, ${nameOf(renewals)} = ${renewals} + 1,
    ${nameOf(leaseExpiresAtMs)} = ${excluded(leaseExpiresAtMs)}, ${nameOf(liveJobs)} = ${excluded(liveJobs)}
)
select ${sql.raw(CLOCK_MS)} as "databaseMs", null as "projectId", 0::float8 as count
union all
select null, key, sum(value::bigint)::float8
from ${nodes}, jsonb_each_text(${liveJobs})
where ${id} <> ${given.id} and ${leaseExpiresAtMs} > now()
group by key
`,
);

export interface Renewed {
  /** How many live jobs of each project the other nodes watch, as of their last renewals. */
  readonly liveJobsElsewhere: ReadonlyMap<string, number>;
  /** The database's time of the renewal, in epoch milliseconds. */
  readonly databaseMs: number;
}

/**
 * Extends this node's lease by `leaseMs` and stores how many live jobs of each project it watches.
 * Returns the counts of the others, and the time.
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
  const rows = await database.run(
    "renew-lease",
    (sql) => RENEW(sql, { ...node, ...node.identity, leaseMs, liveJobs }),
    { timeoutMs },
  );
  const liveJobsElsewhere = new Map<string, number>();
  for (const { projectId, count } of rows) {
    if (projectId !== null) liveJobsElsewhere.set(projectId, count);
  }
  const databaseMs = rows.find((row) => row.databaseMs !== null)?.databaseMs;
  if (typeof databaseMs !== "number") throw new Error("the server returned no time");
  return { liveJobsElsewhere, databaseMs };
}

/** A node, or the shards that a former node left behind, or shards without any node. */
export interface ClusterRow {
  /** Null for shards that no node owns. */
  readonly id: string | null;
  readonly shardIds: readonly number[];
  readonly isLive: boolean;
  /** Null once the node has been removed. */
  readonly identity: ProcessIdentity | null;
  readonly renewals: number;
  /** From its start to the last renewal of its lease. */
  readonly livedMs: number;
  /** Since it renewed its lease, or since the shards were released; null when that was long ago. */
  readonly sinceSeenMs: number | null;
  /** Since its lease ended, or since the shards were released; null when that is unknown. */
  readonly freeForMs: number | null;
  /** Recent deaths of processes on its host without a clean stop. */
  readonly crashes: number;
}

const held = sql`(
    select ${shards.ownerId}, case when ${shards.ownerId} is null then ${shards.releasedAtMs} end as released_at,
      string_agg(${shards.shardId}::text, ',' order by ${shards.shardId}) as shard_ids
    from ${shards}
    group by 1, 2
  ) as held`;
const dead = alias(nodes, "dead");

/** A span of time in milliseconds. */
const msOf = (interval: SQL): SQL => sql`(extract(epoch from ${interval}) * 1000)::float8`;

const VIEW = template(
  () => sql<ViewRow>`
select ${nodes.id} is not null as "isKnown", coalesce(${nodes.id}, held.owner_id) as id,
  coalesce(held.shard_ids, '') as "shardIds",
  coalesce(${nodes.leaseExpiresAtMs} > now(), false) as "isLive",
  ${nodes.host}, ${nodes.machine}, ${nodes.pid}, ${nodes.pidStart} as "pidStart",
  coalesce(${nodes.renewals}, 0) as renewals,
  coalesce(${msOf(sql`${nodes.renewedAtMs} - ${nodes.startedAtMs}`)}, 0) as "livedMs",
  ${msOf(sql`now() - coalesce(${nodes.renewedAtMs}, held.released_at)`)} as "sinceSeenMs",
  ${msOf(sql`now() - coalesce(${nodes.leaseExpiresAtMs}, held.released_at)`)} as "freeForMs",
  (select count(*)::int from ${nodes} as ${dead}
    where ${dead.host} = ${nodes.host} and ${dead.id} <> ${nodes.id}
      and ${dead.leaseExpiresAtMs} <= now() and ${dead.renewedAtMs} > now() - ${DEAD_REMEMBERED}) as crashes
from ${held}
full join ${nodes} on ${nodes.id} = held.owner_id
where held.shard_ids is not null or ${nodes.leaseExpiresAtMs} > now()
`,
);

type ViewRow = Omit<ClusterRow, "shardIds" | "identity"> &
  ProcessIdentity & { readonly isKnown: boolean; readonly shardIds: string };

/** The state of the cluster: every live node, and every shard. */
export async function viewCluster(database: Database): Promise<ClusterRow[]> {
  const rows = await database.run("view-cluster", (sql) => VIEW(sql, {}));
  return rows.map((row) => ({
    id: row.id,
    shardIds: row.shardIds === "" ? [] : row.shardIds.split(",").map(Number),
    isLive: row.isLive,
    identity: row.isKnown ? identityOf(row) : null,
    renewals: row.renewals,
    livedMs: row.livedMs,
    sinceSeenMs: row.sinceSeenMs,
    freeForMs: row.isLive ? null : row.freeForMs,
    crashes: row.crashes,
  }));
}

function identityOf({ host, machine, pid, pidStart }: ProcessIdentity): ProcessIdentity {
  return { host, machine, pid, pidStart };
}

const REACHABLE_NODES_MAX = 100;

const REACHABLE = statement((orm) =>
  orm
    .select({ id: nodes.id, shardId: sql<number>`min(${shards.shardId})::int` })
    .from(nodes)
    .innerJoin(shards, eq(shards.ownerId, nodes.id))
    .where(gt(nodes.leaseExpiresAtMs, sql`now()`))
    .groupBy(nodes.id)
    .orderBy(nodes.id)
    .limit(REACHABLE_NODES_MAX),
);

/** The live nodes that answer questions of others, each with a shard whose mailbox it reads. */
export function findReachableNodes(database: Database): Promise<RowKey[]> {
  return database.run("find-reachable-nodes", (sql) => REACHABLE(sql, {}));
}

const END_LEASE = statement((orm, given: Given<{ id: string; renewals: number }>) =>
  orm
    .update(nodes)
    .set({ leaseExpiresAtMs: sql`now()` })
    .where(
      and(
        eq(nodes.id, given.id),
        eq(nodes.renewals, given.renewals),
        gt(nodes.leaseExpiresAtMs, sql`now()`),
      ),
    ),
);

/**
 * Ends the lease of a node whose process is dead, unless it was renewed since it was read, in which
 * case the process is alive.
 */
export async function endLease(
  database: Database,
  node: { readonly id: string; readonly renewals: number },
): Promise<void> {
  await database.run("end-lease", (sql) => END_LEASE(sql, node));
}

type Claimed = Given<{ nodeId: string; shardIds: readonly number[] }>;

const CLAIM = statement((orm, given: Claimed) => {
  const owner = orm
    .select({ id: nodes.id })
    .from(nodes)
    .where(and(eq(nodes.id, shards.ownerId), gt(nodes.leaseExpiresAtMs, sql`now()`)));
  return orm
    .update(shards)
    .set({ ownerId: sql`${given.nodeId}` })
    .where(
      and(isAnyOf(shards.shardId, given.shardIds), or(isNull(shards.ownerId), notExists(owner))),
    )
    .returning({ shardId: shards.shardId });
});

/** Claims those of the shards that are still free; returns which. */
export async function claimShards(
  database: Database,
  nodeId: string,
  shardIds: readonly number[],
): Promise<number[]> {
  const rows = await database.run("claim-shards", (sql) => CLAIM(sql, { nodeId, shardIds }));
  return rows.map(({ shardId }) => shardId);
}

const RELEASED = { ownerId: null, releasedAtMs: sql`now()` };

const RELEASE = statement((orm, given: Claimed) =>
  orm
    .update(shards)
    .set(RELEASED)
    .where(and(eq(shards.ownerId, given.nodeId), isAnyOf(shards.shardId, given.shardIds))),
);

/** Releases shards; those that another node has taken since are not changed. */
export async function releaseShards(
  database: Database,
  nodeId: string,
  shardIds: readonly number[],
): Promise<void> {
  await database.run("release-shards", (sql) => RELEASE(sql, { nodeId, shardIds }));
}

const LEAVE = statement((orm, given: Given<{ nodeId: string }>) => {
  const leftBehind = orm
    .$with("left_behind")
    .as(
      orm
        .update(shards)
        .set(RELEASED)
        .where(eq(shards.ownerId, given.nodeId))
        .returning({ shardId: shards.shardId }),
    );
  return orm.with(leftBehind).delete(nodes).where(eq(nodes.id, given.nodeId));
});

/** Releases all shards and the lease, as the last act of a node. */
export async function leaveCluster(database: Database, nodeId: string): Promise<void> {
  await database.run("leave-cluster", (sql) => LEAVE(sql, { nodeId }));
}

const FORGET_DEAD = statement((orm) =>
  orm.delete(nodes).where(lt(nodes.leaseExpiresAtMs, sql`now() - ${DEAD_REMEMBERED}`)),
);

/** Removes nodes whose lease expired long ago. */
export async function forgetDeadNodes(database: Database): Promise<void> {
  await database.run("forget-dead-nodes", (sql) => FORGET_DEAD(sql, {}));
}

const END_ALL_LEASES = statement((orm) => orm.delete(nodes));

/**
 * Ends every lease. Only for a database that belongs to this process alone: every former holder is
 * dead, and waiting for the leases to expire would only delay what is due.
 */
export async function endAllLeases(database: Database): Promise<void> {
  await database.run("end-all-leases", (sql) => END_ALL_LEASES(sql, {}));
}

const SHOWN_MAX = 100;

const FIND = statement((orm, given: Given<{ projectId: string }>) =>
  orm
    .select({
      id,
      startedAtMs,
      renewedAtMs,
      leaseExpiresAtMs,
      isLive: sql<boolean>`${leaseExpiresAtMs} > now()`,
      // How many it owns.
      shards: sql<number>`(select count(*)::int from ${shards} where ${qualified(shards.ownerId)} = ${qualified(id)})`,
      // How many of the project it watches, as of its last renewal.
      liveJobs: sql<number>`coalesce((${liveJobs} ->> ${given.projectId}::text)::float8, 0)`,
    })
    .from(nodes)
    .orderBy(startedAtMs, id)
    .limit(SHOWN_MAX),
);

/** Every node that is remembered, for display, longest running first. */
export function findNodes(database: Database, projectId: string) {
  return database.run("find-nodes", (sql) => FIND(sql, { projectId }));
}
