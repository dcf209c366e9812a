import { eq, sql } from "drizzle-orm";
import { projects } from "../schema/projects.ts";
import { type Given, statement } from "../sql/statement.ts";

/**
 * Changes nothing and takes the lock of the project's row until the transaction ends, so that nodes
 * that create something once for the project take turns.
 */
export const LOCK_PROJECT = statement((orm, given: Given<{ projectId: string }>) =>
  orm
    .update(projects)
    .set({ name: sql`${projects.name}` })
    .where(eq(projects.id, given.projectId)),
);
