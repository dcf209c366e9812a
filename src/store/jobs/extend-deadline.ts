import { and, eq, isNull, ne, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { jobs } from "../schema/schema.ts";
import { type Given, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import type { LiveJob } from "./load-jobs.ts";

type Extension = Pick<LiveJob, "shardId" | "id" | "projectId" | "deadlineAtMs">;

/*
 * It waits for the row's lock, as an ending does. An ending that came first leaves nothing to extend; a
 * timeout that comes second finds that the deadline has moved, and records nothing.
 */
const EXTEND = statement((orm, given: Given<Extension>) =>
  orm
    .update(jobs)
    .set({
      deadlineAtMs: sql`greatest(${jobs.deadlineAtMs}, ${timeOf(given.deadlineAtMs)})`,
    })
    .where(
      and(
        eq(jobs.shardId, given.shardId),
        eq(jobs.id, given.id),
        eq(jobs.projectId, given.projectId),
        isNull(jobs.endedAtMs),
        ne(jobs.status, "unwatched"),
      ),
    )
    .returning({ deadlineAtMs: jobs.deadlineAtMs }),
);

/** Moves a live job's deadline, never back. Returns the deadline, or null for a job that is not live. */
export async function extendDeadline(
  database: Database,
  extension: Extension,
): Promise<number | null> {
  const [row] = await database.run("extend-deadline", (sql) => EXTEND(sql, extension));
  return row?.deadlineAtMs ?? null;
}
