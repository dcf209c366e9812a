import { sql } from "drizzle-orm";
import { index, pgTable, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { time } from "../sql/time.ts";

/**
 * Answers to requests with an `Idempotency-Key` that created something. Subscriptions, which come
 * in thousands, have `idempotency_keys` instead.
 */
export const idempotentAnswers = pgTable(
  "idempotent_answers",
  {
    id: uuid("id").primaryKey(),
    projectId: uuid("project_id").notNull(),
    /** An `operationId`: the same key may be used for requests of two kinds. */
    operation: text("operation").notNull(),
    key: text("key").notNull(),
    /** Keyed by the ring: of the request that the key was first used with. */
    requestHash: text("request_hash").notNull(),
    /** Sealed, since it may hold a secret. Null only within the transaction that creates. */
    answer: text("answer"),
    createdAtMs: time("created_at")
      .notNull()
      .default(sql`now()`),
  },
  (table) => [
    uniqueIndex("idempotent_answers_by_key").on(table.projectId, table.operation, table.key),
    index("idempotent_answers_by_time").on(table.createdAtMs),
  ],
);
