import { sql } from "drizzle-orm";
import { jobs } from "../schema/schema.ts";

/** A job is watched, in the words of the partial index that holds no others. */
export const IS_LIVE = sql`${jobs.status} in ('pending', 'processing')`;
