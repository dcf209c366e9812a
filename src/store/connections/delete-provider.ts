import { and, desc, eq, exists, isNull, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { Database } from "../db/database.ts";
import { providerVersions } from "../schema/projects.ts";
import { connections } from "../schema/schema.ts";
import { type Given, statement } from "../sql/statement.ts";

type DeleteProviderOutcome = "deleted" | "in_use" | "not_found";

const version = alias(providerVersions, "version");

const DELETE = statement((orm, given: Given<{ projectId: string; name: string }>) => {
  const uses = orm
    .select({ id: connections.id })
    .from(connections)
    .where(
      and(
        eq(connections.projectId, given.projectId),
        eq(connections.provider, given.name),
        isNull(connections.deletedAtMs),
      ),
    );
  const newest = orm.$with("newest").as(
    orm
      .select({
        id: version.id,
        isDeleted: sql<boolean>`${version.deletedAtMs} is not null`.as("is_deleted"),
        isUsed: sql<boolean>`${exists(uses)}`.as("is_used"),
      })
      .from(version)
      .where(and(eq(version.projectId, given.projectId), eq(version.name, given.name)))
      .orderBy(desc(version.version))
      .limit(1),
  );
  const deleted = orm.$with("deleted").as(
    orm
      .update(providerVersions)
      .set({ deletedAtMs: sql`now()`, updatedAtMs: sql`now()` })
      .from(newest)
      .where(
        and(
          eq(providerVersions.id, newest.id),
          sql`not ${newest.isUsed}`,
          isNull(providerVersions.deletedAtMs),
        ),
      )
      .returning({ id: providerVersions.id }),
  );
  return orm
    .with(newest, deleted)
    .select({
      outcome: sql<DeleteProviderOutcome>`case
        when exists (select from ${deleted}) then 'deleted'
        when not ${newest.isDeleted} and ${newest.isUsed} then 'in_use'
        else 'not_found' end`,
    })
    .from(newest);
});

/** Deletes a project's definition unless one of its connections still needs it. */
export async function deleteProvider(
  database: Database,
  provider: { readonly projectId: string; readonly name: string },
): Promise<DeleteProviderOutcome> {
  const [row] = await database.run("delete-provider", (sql) => DELETE(sql, provider));
  return row?.outcome ?? "not_found";
}
