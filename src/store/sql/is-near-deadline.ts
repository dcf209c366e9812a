import { type SQL, sql } from "drizzle-orm";

/** True of a live job that has used nine tenths of the time until its deadline. */
export function isNearDeadline(job: SQL, now: SQL): SQL {
  return sql`(${job}.ended_at is null and ${job}.status <> 'unwatched'
    and ${now} > ${job}.deadline_at - (${job}.deadline_at - ${job}.accepted_at) / 10)`;
}
