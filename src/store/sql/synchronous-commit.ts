import { sql } from "drizzle-orm";
import { template } from "./statement.ts";

/** Applies to the rest of the transaction: its writes are lost if the server crashes at once. */
export const WITHOUT_WAITING_FOR_THE_DISK = template(() => sql`set local synchronous_commit = off`);
