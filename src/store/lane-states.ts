import { and, eq, getTableColumns, gt, notExists, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { LaneStatus } from "../core/waiting/lane-status.ts";
import type { Database } from "./db/database.ts";
import { laneStates } from "./schema/node-reports.ts";
import { nodes, shards } from "./schema/schema.ts";
import {
  excluded,
  type Given,
  nameOf,
  statement,
  template,
  textArrayLiteral,
} from "./sql/statement.ts";
import { timeOf } from "./sql/time.ts";
import { rowsOf } from "./sql/row-source.ts";

/** Names a lane; several nodes may have one of the same name. */
export type LaneName = Readonly<
  Pick<typeof laneStates.$inferSelect, "projectId" | "kind" | "name">
>;

/** Why the latest attempt at an origin failed. */
export interface LaneFailure {
  readonly code: string;
  readonly message: string | null;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** A lane that a node can't send through freely. */
export interface LaneState extends LaneName, LaneStatus {
  readonly id: string;
  readonly failure: LaneFailure | null;
  /** The rate of all nodes together to a callback origin, as this node has learned it; null for no limit. */
  readonly perSecond: number | null;
}

const LANE = {
  projectId: "uuid",
  kind: "text",
  name: "text",
  id: "uuid",
  hold: "text",
  pausedUntilMs: "float8",
  pauseCause: "text",
  breaker: "text",
  probeAtMs: "float8",
  perSecond: "float8",
  errorCode: "text",
  errorMessage: "text",
  erredAtMs: "float8",
} as const;

type Stored = Readonly<typeof laneStates.$inferSelect>;
type LaneRow = Omit<Stored, "nodeId">;

const { projectId, kind, name, nodeId, id, hold, pausedUntilMs, breaker, probeAtMs } = laneStates;
const { pauseCause, perSecond } = laneStates;
const { errorCode, errorMessage, erredAtMs } = laneStates;
const KEY = [projectId, kind, name, nodeId];
const STATE = [
  id,
  hold,
  pausedUntilMs,
  pauseCause,
  breaker,
  probeAtMs,
  perSecond,
  errorCode,
  errorMessage,
  erredAtMs,
];

const listed = (columns: readonly PgColumn[]) => sql.join(columns.map(nameOf), sql`, `);

const PUT = template(
  (given: Given<{ nodeId: string; lanes: readonly LaneRow[] }>) => sql`
insert into ${laneStates} (${listed(KEY)}, ${listed(STATE)})
select "projectId", kind, name, ${given.nodeId}::uuid, id, hold, ${timeOf(sql.raw('"pausedUntilMs"'))},
  "pauseCause", breaker, ${timeOf(sql.raw('"probeAtMs"'))}, "perSecond", "errorCode", "errorMessage", ${timeOf(sql.raw('"erredAtMs"'))}
from ${rowsOf("lane", LANE, given.lanes)}
on conflict (${listed(KEY)}) do update set
  ${sql.join(
    STATE.map((column) => sql`${nameOf(column)} = ${excluded(column)}`),
    sql`, `,
  )}
`,
);

const REMOVE = template(
  (given: Given<{ nodeId: string; lanes: readonly LaneRow[] }>) => sql`
delete from ${laneStates} using ${rowsOf("lane", LANE, given.lanes)}
where ${nodeId} = ${given.nodeId} and ${projectId} = "projectId" and ${kind} = lane.kind
  and ${name} = lane.name
`,
);

function rowsOfLanes(lanes: readonly LaneState[]): LaneRow[] {
  return lanes.map(({ failure, ...lane }) => ({
    ...lane,
    errorCode: failure?.code ?? null,
    errorMessage: failure?.message ?? null,
    erredAtMs: failure?.atMs ?? null,
  }));
}

/** Stores the state of lanes of a node, and that others no longer have trouble. */
export async function putLaneStates(
  database: Database,
  nodeId: string,
  change: { readonly put: readonly LaneState[]; readonly removed: readonly LaneState[] },
): Promise<void> {
  const { put, removed } = change;
  await database.transaction("put-lane-states", async (sql) => {
    if (removed.length > 0) {
      await REMOVE(sql, { nodeId, lanes: rowsOfLanes(removed) });
    }
    if (put.length > 0) await PUT(sql, { nodeId, lanes: rowsOfLanes(put) });
  });
}

const REMOVE_NODE = statement((orm, given: Given<{ nodeId: string }>) =>
  orm.delete(laneStates).where(eq(laneStates.nodeId, given.nodeId)),
);

/** Removes the reports of a node that leaves. */
export async function removeLaneStates(database: Database, nodeId: string): Promise<void> {
  await database.run("remove-lane-states", (sql) => REMOVE_NODE(sql, { nodeId }));
}

const FORGET = statement((orm) =>
  orm
    .delete(laneStates)
    .where(
      notExists(orm.select({ id: nodes.id }).from(nodes).where(eq(nodes.id, laneStates.nodeId))),
    ),
);

/** Removes the reports of dead nodes. */
export async function forgetLaneStates(database: Database): Promise<void> {
  await database.run("forget-lane-states", (sql) => FORGET(sql, {}));
}

/** A lane as the owner of a shard has it. */
export interface LaneOfShard extends LaneName {
  readonly shardId: number;
}

const KEY_OF_SHARD = {
  number: "integer",
  shardId: "smallint",
  projectId: "uuid",
  kind: "text",
  name: "text",
} as const;

const FIND_OF_SHARDS = statement(
  (orm, given: Given<{ keys: readonly (LaneOfShard & { readonly number: number })[] }>) =>
    orm
      .select({
        number: sql<number>`key.number`,
        hold,
        breaker,
        pausedUntilMs,
        pauseCause,
        probeAtMs,
      })
      .from(rowsOf("key", KEY_OF_SHARD, given.keys))
      .innerJoin(shards, eq(shards.shardId, sql`key."shardId"`))
      .innerJoin(
        laneStates,
        and(
          eq(projectId, sql`key."projectId"`),
          eq(kind, sql`key.kind`),
          eq(name, sql`key.name`),
          eq(nodeId, shards.ownerId),
        ),
      ),
);

/**
 * The states of lanes on the nodes that own the shards, in the given order; null for those without
 * trouble.
 */
export async function findLaneStatuses(
  database: Database,
  lanes: readonly LaneOfShard[],
): Promise<(LaneStatus | null)[]> {
  const keys = lanes.map(({ shardId, projectId, kind, name }, number) => {
    return { number, shardId, projectId, kind, name };
  });
  const rows = await database.run("find-lane-statuses", (run) => FIND_OF_SHARDS(run, { keys }));
  const byNumber = new Map(rows.map(({ number, ...status }) => [number, status]));
  return lanes.map((_, number) => byNumber.get(number) ?? null);
}

/** A lane's state with the node that reported it. */
export interface ReportedLane extends LaneState {
  readonly nodeId: string;
  /** A shard that the node owns, whose mailbox it reads; null without one. */
  readonly shardId: number | null;
}

const FIND_OF_ORIGINS = statement((orm, given: Given<{ projectId: string; origins: string }>) => {
  const shardId = orm
    .select({ shardId: sql`min(${shards.shardId})` })
    .from(shards)
    .where(eq(shards.ownerId, nodeId));
  return orm
    .select({ ...getTableColumns(laneStates), shardId: sql<number | null>`(${shardId})` })
    .from(laneStates)
    .innerJoin(nodes, and(eq(nodes.id, nodeId), gt(nodes.leaseExpiresAtMs, sql`now()`)))
    .where(
      and(
        eq(projectId, given.projectId),
        eq(kind, "origin"),
        sql`${name} = any (${given.origins}::text::text[])`,
      ),
    )
    .orderBy(name, nodeId);
});

/** Reports of live nodes about a project's lanes to these callback origins. */
export async function findReportedOrigins(
  database: Database,
  query: { readonly projectId: string; readonly origins: readonly string[] },
): Promise<ReportedLane[]> {
  const rows = await database.run("find-reported-origins", (sql) =>
    FIND_OF_ORIGINS(sql, { ...query, origins: textArrayLiteral(query.origins) }),
  );
  return rows.map((row) => reportedLane(row));
}

type ReportRow = Stored & { readonly shardId: number | null };

function reportedLane({ errorCode, errorMessage, erredAtMs, ...lane }: ReportRow): ReportedLane {
  const atMs = erredAtMs ?? 0;
  return {
    ...lane,
    failure: errorCode === null ? null : { code: errorCode, message: errorMessage, atMs },
  };
}
