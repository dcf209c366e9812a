import { and, eq, getTableColumns, sql } from "drizzle-orm";
import type { Sql } from "../connection/connection.ts";
import { attempts, deliveries, jobs, subscriptions } from "../schema/schema.ts";
import { type Given, template } from "../sql/statement.ts";

const { projectId: _, attemptsBefore: __, ...COLUMNS } = getTableColumns(deliveries);

export { COLUMNS as DELIVERY_COLUMNS };

/** One delivery as its row has it. */
export type DeliveryRow = Readonly<
  Omit<typeof deliveries.$inferSelect, "projectId" | "attemptsBefore">
>;

/** One delivery with what other tables know about it. */
export interface DeliveryRecord extends DeliveryRow {
  /** The provider's. */
  readonly jobId: string;
  readonly callbackUrl: string;
  /** Why the latest attempt failed; null when it did not, or before the first. */
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

type Details = Pick<DeliveryRecord, "id" | "jobId" | "callbackUrl" | "errorCode" | "errorMessage">;

// With a limit, each is looked up by its primary key, whatever the planner thinks of their number.
const DETAILS = template(
  (given: Given<{ places: string }>) => sql<Details>`
select place.id, job.job_id as "jobId", subscription.callback_url as "callbackUrl",
  attempt.error_code as "errorCode", attempt.error_message as "errorMessage"
from json_to_recordset(${given.places}::text::json) as place (
  id uuid, "shardId" smallint, "subscriptionId" uuid, "attemptCount" integer
)
cross join lateral (
  select ${subscriptions.jobRowId}, ${subscriptions.callbackUrl} from ${subscriptions}
  where ${and(
    eq(subscriptions.shardId, sql`place."shardId"`),
    eq(subscriptions.id, sql`place."subscriptionId"`),
  )} limit 1
) as subscription
cross join lateral (
  select ${jobs.jobId} from ${jobs}
  where ${and(eq(jobs.shardId, sql`place."shardId"`), eq(jobs.id, sql`subscription.job_row_id`))} limit 1
) as job
left join lateral (
  select ${attempts.errorCode}, ${attempts.errorMessage} from ${attempts}
  where ${and(
    eq(attempts.shardId, sql`place."shardId"`),
    eq(attempts.deliveryId, sql`place.id`),
    eq(attempts.number, sql`place."attemptCount"`),
  )} limit 1
) as attempt on true
`,
);

/** The same deliveries with what other tables know about them, without those that were just removed. */
export async function withDetails(
  on: Sql,
  rows: readonly DeliveryRow[],
): Promise<DeliveryRecord[]> {
  if (rows.length === 0) return [];
  const places = rows.map(({ id, shardId, subscriptionId, attemptCount }) => {
    return { id, shardId, subscriptionId, attemptCount };
  });
  const details = await DETAILS(on, { places: JSON.stringify(places) });
  const byId = new Map(details.map((one) => [one.id, one]));
  return rows.flatMap((row) => {
    const found = byId.get(row.id);
    return found === undefined ? [] : { ...row, ...found };
  });
}
