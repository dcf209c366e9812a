import { SHARD_COUNT } from "../core/ids/ids.ts";
import { arrayLiteral } from "./sql/statement.ts";
import type { Database } from "./db/database.ts";
import type { DuePosition } from "./deliveries/find-due-deliveries.ts";

/** Changes that a node's readers may find. */
export interface Changes {
  /** Each text differs whenever rows of the table were changed recently. */
  readonly apiKeys: string;
  readonly projects: string;
  readonly providers: string;
  readonly connections: string;
  /**
   * Differs, some seconds late, whenever rows were written that count towards what projects use. Not
   * for checkpoints, which may change how many jobs are processing.
   */
  readonly usage: string;
  readonly hasMail: boolean;
  readonly hasFanOuts: boolean;
  readonly hasRedeliveries: boolean;
  readonly hasOperationalEvents: boolean;
  /** Deliveries fall due that were not read yet. */
  readonly hasDueDeliveries: boolean;
  readonly otherNodes: number;
  /** Number of shards that name this node as their owner. */
  readonly ownShards: number;
}

// A row that commits late is in the window for long enough to be seen. Rows that leave the window
// change the text as well and cause one unnecessary read.
const lately = (table: string, isChanged = "updated_at >= lately"): string => `
(select count(*) || ' ' || coalesce(sum(date_part('epoch', updated_at - to_timestamp(0))), 0)::text
  from ${table}, since where ${isChanged})`;

const ALL_WRITES = ["inserted", "updated", "deleted"];
// Updates of jobs are left out: nearly all are checkpoints, which change what no project uses. Any
// other comes with a row of another table: an ending with an event, a closed subscription with its own.
const WRITES = {
  jobs: ["inserted", "deleted"],
  subscriptions: ALL_WRITES,
  deliveries: ALL_WRITES,
  events: ALL_WRITES,
  inboxes: ALL_WRITES,
  inbox_consumers: ALL_WRITES,
};

const written = Object.entries(WRITES)
  .flatMap(([table, writes]) =>
    writes.map((write) => `pg_stat_get_tuples_${write}('${table}'::regclass)`),
  )
  .join(" + ");

/**
 * The owner of all shards need not name them: looking at each of 256 takes longer than everything
 * else.
 */
const ofShards = (ownsAll: boolean): string =>
  ownsAll ? "$1::text is not null" : "shard_id = any ($1::text::smallint[])";

const find = (ownsAll: boolean): string => `
with since as materialized (select now() - interval '1 minute' as lately)
select
  ${lately("api_keys", "updated_at >= lately or revoked_at >= lately")} as "apiKeys",
  ${lately("projects")} as "projects",
  ${lately("provider_versions")} as "providers",
  ${lately("connections")} as "connections",
  (${written})::text as "usage",
  exists (select from mailbox where ${ofShards(ownsAll)}) as "hasMail",
  exists (select from fan_outs where ${ofShards(ownsAll)}) as "hasFanOuts",
  exists (
    select from redeliveries where ${ofShards(ownsAll)} and state = 'running'
  ) as "hasRedeliveries",
  exists (
    select from operational_events
    where ${ofShards(ownsAll)} and due_at <= to_timestamp($2::float8 / 1000)
  ) as "hasOperationalEvents",
  exists (
    select from deliveries
    where ${ofShards(ownsAll)} and status = 'pending'
      and next_attempt_at <= to_timestamp($3::float8 / 1000)
      and (next_attempt_at, id) > (to_timestamp($4::float8 / 1000), $5::uuid)
  ) as "hasDueDeliveries",
  (select count(*)::int from nodes where id <> $6::uuid and lease_expires_at > now()) as "otherNodes",
  (select count(*)::int from shards where owner_id = $6::uuid) as "ownShards"
`;

const FIND_OF_ALL = find(true);
const FIND_OF_SOME = find(false);

/** One look for all readers. Reads no row unless there is something to find. */
export async function findChanges(
  database: Database,
  query: {
    readonly nodeId: string;
    readonly shardIds: readonly number[];
    readonly nowMs: number;
    /** Looks for deliveries that fall due by then, after this one. */
    readonly dueByMs: number;
    readonly dueAfter: DuePosition;
  },
): Promise<Changes> {
  const { nodeId, shardIds, nowMs, dueByMs, dueAfter } = query;
  const ownsAll = shardIds.length === SHARD_COUNT;
  const values = [
    ownsAll ? "" : arrayLiteral(shardIds),
    nowMs,
    dueByMs,
    dueAfter.nextAttemptAtMs,
    dueAfter.id,
    nodeId,
  ];
  const [changes] = await database.run("find-changes", (sql) =>
    sql.unsafe<Changes[]>(ownsAll ? FIND_OF_ALL : FIND_OF_SOME, values, { prepare: true }),
  );
  if (changes === undefined) throw new Error("a look for changes returned no row");
  return changes;
}
