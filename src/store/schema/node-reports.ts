import { sql } from "drizzle-orm";
import {
  doublePrecision,
  index,
  pgTable,
  primaryKey,
  smallint,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import type { Breaker } from "../../core/pace/breaker.ts";
import type { LaneHold, PauseCause } from "../../core/waiting/lane-status.ts";
import { time } from "../sql/time.ts";

/** A lane in front of a connection, or in front of a callback origin of a project. */
export type LaneKind = "connection" | "origin";

/**
 * Lanes that a node can't send through freely, as it knows them in memory, for display on any node.
 * Written when they change; lanes without trouble have no row.
 */
export const laneStates = pgTable(
  "lane_states",
  {
    projectId: uuid("project_id").notNull(),
    kind: text("kind").notNull().$type<LaneKind>(),
    /** The connection's UUID, or the callback origin. */
    name: text("name").notNull(),
    nodeId: uuid("node_id").notNull(),
    /** The subject of a `try_origin` command. */
    id: uuid("id").notNull(),
    hold: text("hold").$type<LaneHold>(),
    pausedUntilMs: time("paused_until"),
    pauseCause: text("pause_cause").$type<PauseCause>(),
    breaker: text("breaker").notNull().$type<Breaker["state"]>(),
    probeAtMs: time("probe_at"),
    /** The rate of all nodes together to a callback origin; null for no limit, and for a connection. */
    perSecond: doublePrecision("per_second"),
    /** The latest failed attempt at a callback origin. */
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    erredAtMs: time("erred_at"),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.kind, table.name, table.nodeId] }),
    index("lane_states_by_node").on(table.nodeId),
  ],
);

/** The subject of a node's question: one of the other's jobs, or its load by the connections of a project. */
export type InspectionKind = "job" | "loads" | "status";

/** A node's question to the owner of a shard; removed once it is answered. */
export const inspections = pgTable("inspections", {
  id: uuid("id").primaryKey(),
  shardId: smallint("shard_id").notNull(),
  kind: text("kind").notNull().default("job").$type<InspectionKind>(),
  /** The job's row, or the project. */
  subjectId: uuid("job_row_id").notNull(),
  askedAtMs: time("asked_at")
    .notNull()
    .default(sql`now()`),
  /** For `status`: the state that the asker knows, which is not worth an answer; null for any answer. */
  knownState: text("known_state"),
  /** JSON; null until it is answered. */
  answer: text("answer"),
});
