import { eq, notExists } from "drizzle-orm";
import type { LaneStand } from "../core/waiting/lane-stand.ts";
import type { Database } from "./db/database.ts";
import { type LaneKind, laneStates } from "./schema/node-reports.ts";
import { nodes } from "./schema/schema.ts";
import { type Given, statement } from "./sql/statement.ts";
import { epochMs, timeFrom } from "./sql/time.ts";
import { textArrayLiteral } from "./sql/array-literal.ts";
import { rowSource } from "./sql/row-source.ts";

/** Names a lane; several nodes may have one of this name. */
export interface LaneName {
  readonly projectId: string;
  readonly kind: LaneKind;
  /** The connection's UUID, or the callback origin. */
  readonly name: string;
}

/** Why the latest attempt at an origin failed. */
export interface LaneFailure {
  readonly code: string;
  readonly message: string | null;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** A lane that a node can't send through as it likes. */
export interface LaneState extends LaneName, LaneStand {
  readonly id: string;
  readonly failure: LaneFailure | null;
}

const LANES = rowSource(
  "lane",
  {
    projectId: "uuid",
    kind: "text",
    name: "text",
    id: "uuid",
    hold: "text",
    pausedUntilMs: "float8",
    breaker: "text",
    probeAtMs: "float8",
    errorCode: "text",
    errorMessage: "text",
    erredAtMs: "float8",
  },
  2,
);

const PUT = `
insert into lane_states (
  node_id, project_id, kind, name, id, hold, paused_until, breaker, probe_at,
  error_code, error_message, erred_at
)
select $1, "projectId", kind, name, id, hold, ${timeFrom('"pausedUntilMs"')}, breaker,
  ${timeFrom('"probeAtMs"')}, "errorCode", "errorMessage", ${timeFrom('"erredAtMs"')}
from ${LANES.sql}
on conflict (project_id, kind, name, node_id) do update set
  id = excluded.id, hold = excluded.hold, paused_until = excluded.paused_until,
  breaker = excluded.breaker, probe_at = excluded.probe_at, error_code = excluded.error_code,
  error_message = excluded.error_message, erred_at = excluded.erred_at
`;

const REMOVE = `
delete from lane_states using ${LANES.sql}
where node_id = $1 and project_id = "projectId" and lane_states.kind = lane.kind
  and lane_states.name = lane.name
`;

function parametersOf(lanes: readonly LaneState[]): string[] {
  return LANES.parameters(
    lanes.map(({ failure, ...lane }) => ({
      ...lane,
      errorCode: failure?.code ?? null,
      errorMessage: failure?.message ?? null,
      erredAtMs: failure?.atMs ?? null,
    })),
  );
}

/** Writes down how lanes of a node stand now, and that others have no trouble any more. */
export async function putLaneStates(
  database: Database,
  nodeId: string,
  change: { readonly put: readonly LaneState[]; readonly removed: readonly LaneState[] },
): Promise<void> {
  const { put, removed } = change;
  await database.transaction("put-lane-states", async (sql) => {
    if (removed.length > 0) {
      await sql.unsafe(REMOVE, [nodeId, ...parametersOf(removed)], { prepare: true });
    }
    if (put.length > 0) await sql.unsafe(PUT, [nodeId, ...parametersOf(put)], { prepare: true });
  });
}

const REMOVE_NODE = statement((orm, given: Given<{ nodeId: string }>) =>
  orm.delete(laneStates).where(eq(laneStates.nodeId, given.nodeId)),
);

/** Forgets what a node that leaves has reported. */
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

/** Forgets what nodes have reported that are gone. */
export async function forgetLaneStates(database: Database): Promise<void> {
  await database.run("forget-lane-states", (sql) => FORGET(sql, {}));
}

/** A lane as the owner of a shard has it. */
export interface LaneOfShard extends LaneName {
  readonly shardId: number;
}

const KEYS = rowSource("key", {
  number: "integer",
  shardId: "smallint",
  projectId: "uuid",
  kind: "text",
  name: "text",
});

const FIND_OF_SHARDS = `
select key.number, state.hold, state.breaker,
  ${epochMs("state.paused_until")} as "pausedUntilMs", ${epochMs("state.probe_at")} as "probeAtMs"
from ${KEYS.sql}
join shards on shards.shard_id = key."shardId"
join lane_states as state on state.project_id = key."projectId" and state.kind = key.kind
  and state.name = key.name and state.node_id = shards.owner_id
`;

/** How lanes stand on the nodes that own the shards; null for those without trouble. In the order given. */
export async function findLaneStands(
  database: Database,
  lanes: readonly LaneOfShard[],
): Promise<(LaneStand | null)[]> {
  const keys = lanes.map(({ shardId, projectId, kind, name }, number) => {
    return { number, shardId, projectId, kind, name };
  });
  const rows = await database.run("find-lane-stands", (run) =>
    run.unsafe<(LaneStand & { readonly number: number })[]>(FIND_OF_SHARDS, KEYS.parameters(keys), {
      prepare: true,
    }),
  );
  const byNumber = new Map(rows.map(({ number, ...stand }) => [number, stand]));
  return lanes.map((_, number) => byNumber.get(number) ?? null);
}

/** A lane's state with the node that reported it. */
export interface ReportedLane extends LaneState {
  readonly nodeId: string;
  /** A shard that the node owns, in whose mailbox it finds what it is asked; null without one. */
  readonly shardId: number | null;
}

const FIND_OF_ORIGINS = `
select state.project_id as "projectId", state.kind, state.name, state.id, state.node_id as "nodeId",
  state.hold, state.breaker, ${epochMs("state.paused_until")} as "pausedUntilMs",
  ${epochMs("state.probe_at")} as "probeAtMs", state.error_code as "errorCode",
  state.error_message as "errorMessage", ${epochMs("state.erred_at")} as "erredAtMs",
  (select min(shard_id) from shards where owner_id = state.node_id) as "shardId"
from lane_states as state
join nodes on nodes.id = state.node_id and nodes.lease_expires_at > now()
where state.project_id = $1 and state.kind = 'origin' and state.name = any ($2::text::text[])
order by state.name, state.node_id
`;

/** What live nodes report of a project's lanes to these callback origins. */
export async function findReportedOrigins(
  database: Database,
  query: { readonly projectId: string; readonly origins: readonly string[] },
): Promise<ReportedLane[]> {
  const rows = await database.run("find-reported-origins", (sql) =>
    sql.unsafe<ReportRow[]>(FIND_OF_ORIGINS, [query.projectId, textArrayLiteral(query.origins)], {
      prepare: true,
    }),
  );
  return rows.map((row) => reportedLane(row));
}

interface ReportRow extends LaneName, LaneStand {
  readonly id: string;
  readonly nodeId: string;
  readonly shardId: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly erredAtMs: number | null;
}

function reportedLane({ errorCode, errorMessage, erredAtMs, ...lane }: ReportRow): ReportedLane {
  const atMs = erredAtMs ?? 0;
  return {
    ...lane,
    failure: errorCode === null ? null : { code: errorCode, message: errorMessage, atMs },
  };
}
