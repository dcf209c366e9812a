import { type SQL, sql } from "drizzle-orm";
import { deliveries } from "../schema/schema.ts";
import { nameOf } from "./statement.ts";

const { attemptCount, inboxPosition } = deliveries;

/**
 * Sets the columns of a delivery that is redelivered: a callback waits to be sent, with its whole
 * retry schedule. A message moves to the end of its inbox.
 * @param at when the callback is due
 */
export function redelivered(at: SQL) {
  return {
    attemptsBefore: sql`${attemptCount}`,
    status: sql`case when ${inboxPosition} is null then 'pending' else 'delivered' end`,
    nextAttemptAtMs: sql`case when ${inboxPosition} is null then ${at} end`,
    finishedAtMs: sql`case when ${inboxPosition} is not null then ${at} end`,
    inboxPosition: sql`case when ${inboxPosition} is not null then 0 end`,
    readAtMs: sql`null`,
  } as const;
}

/** The same for a hand-written statement. */
export function redeliveredText(at: SQL): SQL {
  const values = Object.entries(redelivered(at)) as [keyof ReturnType<typeof redelivered>, SQL][];
  return sql.join(
    values.map(([name, value]) => sql`${nameOf(deliveries[name])} = ${value}`),
    sql`, `,
  );
}
