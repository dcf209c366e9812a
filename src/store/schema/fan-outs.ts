import { pgTable, primaryKey, smallint, text, uuid } from "drizzle-orm/pg-core";
import type { EventType } from "../../core/delivery/event.ts";
import { time } from "../sql/time.ts";

/**
 * An event whose job has many subscriptions that have no delivery of it yet: the position up to
 * which deliveries exist, in the order of the subscriptions' ids. Of a job's `job.progress` events
 * only the newest has a row. It replaces an unfinished one and continues from its position: to the
 * last subscription, and then from the first one to where it began.
 */
export const fanOuts = pgTable(
  "fan_outs",
  {
    shardId: smallint("shard_id").notNull(),
    jobRowId: uuid("job_row_id").notNull(),
    eventType: text("event_type").notNull().$type<EventType>(),
    projectId: uuid("project_id").notNull(),
    eventId: uuid("event_id").notNull(),
    /** Bit of the event type in a subscription's mask. */
    eventBit: smallint("event_bit").notNull(),
    occurredAtMs: time("occurred_at").notNull(),
    /** The last subscription that was processed. */
    positionId: uuid("position_id").notNull(),
    /** The position that it began at; the lowest id if it began at the first subscription. */
    beganAtId: uuid("began_at_id").notNull(),
    /** The last subscription to process, once it has restarted from the first one. */
    endsAtId: uuid("ends_at_id"),
  },
  (table) => [primaryKey({ columns: [table.shardId, table.jobRowId, table.eventType] })],
);
