import { and, desc, eq, inArray, isNotNull, isNull, lt, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { consoleLinks } from "../schema/projects.ts";
import { beforeOrFirst, cutPage, type Page, type PageQuery } from "../sql/page.ts";
import { type Given, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";

/** A link as it is stored: not the link itself, which is stored nowhere. */
export type StoredConsoleLink = Readonly<typeof consoleLinks.$inferSelect>;

const { id, projectId, expiresAtMs, revokedAtMs } = consoleLinks;

const ADD = statement((orm, given: Given<Omit<StoredConsoleLink, "revokedAtMs">>) =>
  orm.insert(consoleLinks).values({
    id: given.id,
    projectId: given.projectId,
    subscriptionId: given.subscriptionId,
    metadata: given.metadata,
    mayRedeliver: given.mayRedeliver,
    keyId: given.keyId,
    createdAtMs: timeOf(given.createdAtMs),
    expiresAtMs: timeOf(given.expiresAtMs),
  }),
);

export async function addConsoleLink(
  database: Database,
  link: Omit<StoredConsoleLink, "revokedAtMs">,
): Promise<void> {
  await database.run("add-console-link", (sql) => ADD(sql, link));
}

const LIST = statement(
  (orm, given: Given<{ projectId: string; beforeId: string; limit: number }>) =>
    orm
      .select()
      .from(consoleLinks)
      .where(and(eq(projectId, given.projectId), lt(id, given.beforeId)))
      .orderBy(desc(id))
      .limit(given.limit),
);

/** The project's links, newest first, from below the id given. */
export async function listConsoleLinks(
  database: Database,
  query: PageQuery,
): Promise<Page<StoredConsoleLink>> {
  const { limit } = query;
  const wanted = { projectId: query.projectId, beforeId: beforeOrFirst(query.beforeId) };
  const rows = await database.run("list-console-links", (sql) =>
    LIST(sql, { ...wanted, limit: limit + 1 }),
  );
  return cutPage(rows, limit);
}

const IS_REVOKED = statement((orm, given: Given<{ id: string }>) =>
  orm
    .select({ id })
    .from(consoleLinks)
    .where(and(eq(id, given.id), isNotNull(revokedAtMs))),
);

export async function isConsoleLinkRevoked(database: Database, linkId: string): Promise<boolean> {
  const found = await database.run("find-revoked-console-link", (sql) =>
    IS_REVOKED(sql, { id: linkId }),
  );
  return found.length > 0;
}

const FIND = statement((orm, given: Given<{ projectId: string; id: string }>) =>
  orm
    .select({ id })
    .from(consoleLinks)
    .where(and(eq(id, given.id), eq(projectId, given.projectId))),
);

const REVOKE = statement((orm, given: Given<{ projectId: string; id: string; nowMs: number }>) =>
  orm
    .update(consoleLinks)
    .set({ revokedAtMs: timeOf(given.nowMs) })
    .where(and(eq(id, given.id), eq(projectId, given.projectId), isNull(revokedAtMs)))
    .returning({ id }),
);

type RevokedLink = "revoked" | "was_revoked" | "not_found";

/** Ends one link. */
export async function revokeConsoleLink(
  database: Database,
  link: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<RevokedLink> {
  const revoked = await database.run("revoke-console-link", (sql) => REVOKE(sql, link));
  if (revoked.length > 0) return "revoked";
  const found = await database.run("find-console-link", (sql) => FIND(sql, link));
  return found.length > 0 ? "was_revoked" : "not_found";
}

/** A link that has ended is listed for so long: whether a customer still had it is asked within days. */
const KEPT_AFTER_END = sql`now() - interval '1 day'`;
const ROWS_PER_STATEMENT_MAX = 5000;

const FORGET = statement((orm) => {
  const ended = orm
    .select({ id })
    .from(consoleLinks)
    .where(lt(expiresAtMs, KEPT_AFTER_END))
    .limit(ROWS_PER_STATEMENT_MAX);
  return orm.delete(consoleLinks).where(inArray(id, ended));
});

/** Removes a bounded number of links that ended a day ago or earlier. Returns how many. */
export async function forgetConsoleLinks(database: Database): Promise<number> {
  return (await database.run("forget-console-links", (sql) => FORGET(sql, {}))).count;
}
