import { sql } from "drizzle-orm";
import { jobs } from "../schema/schema.ts";

/** True for watched jobs, in the words of the partial index on them. */
export const IS_LIVE = sql`${jobs.status} in ('pending', 'processing')`;
