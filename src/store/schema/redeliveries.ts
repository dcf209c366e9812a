import { sql } from "drizzle-orm";
import {
  boolean,
  doublePrecision,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import type { AttemptErrorCode, DeliveryStatus } from "../../core/delivery/delivery-outcome.ts";
import type { EventType } from "../../core/delivery/event.ts";
import { time } from "../sql/time.ts";

/** State of a redelivery of many. */
type RedeliveryState = "running" | "completed" | "canceled";
/** Canceled deliveries were ended by the client and remain so. */
export type RedeliverableStatus = Exclude<DeliveryStatus, "canceled" | "superseded">;

/** Many deliveries that are made pending again: the filter, and the progress. */
export const redeliveries = pgTable(
  "redeliveries",
  {
    /** The owner of this shard carries it out; the deliveries may be of any shard. */
    shardId: smallint("shard_id").notNull(),
    id: uuid("id").notNull(),
    projectId: uuid("project_id").notNull(),
    state: text("state").notNull().$type<RedeliveryState>(),
    /** Only counts what matches. */
    isDryRun: boolean("is_dry_run").notNull(),
    status: text("status").notNull().$type<RedeliverableStatus>(),
    eventType: text("event_type").$type<EventType>(),
    /** Why the latest attempt failed. */
    errorCode: text("error_code").$type<AttemptErrorCode>(),
    callbackOrigin: text("callback_origin"),
    createdAfterMs: time("created_after"),
    createdBeforeMs: time("created_before").notNull(),
    perSecond: doublePrecision("per_second").notNull(),
    /** The last delivery that was processed, in the order of ids. */
    positionId: uuid("position_id").notNull(),
    matched: integer("matched").notNull().default(0),
    redelivered: integer("redelivered").notNull().default(0),
    skipped: integer("skipped").notNull().default(0),
    createdAtMs: time("created_at").notNull(),
    finishedAtMs: time("finished_at"),
  },
  (table) => [
    primaryKey({ columns: [table.shardId, table.id] }),
    index("redeliveries_running")
      .on(table.shardId, table.id)
      .where(sql`state = 'running'`),
    index("redeliveries_by_project").on(table.projectId, table.id),
  ],
);
