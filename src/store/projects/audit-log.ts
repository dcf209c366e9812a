import { and, desc, eq, inArray, lt, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { Database } from "../db/database.ts";
import { beforeOrFirst, cutPage, type Page, type PageQuery } from "../sql/page.ts";
import { type Given, statement, template } from "../sql/statement.ts";
import { auditLog } from "../schema/projects.ts";
import { withinTransaction } from "../db/database.ts";
import type { MessageLog } from "../../runtime/process/log.ts";

/** An entry as it is stored. */
export type AuditEntry = Readonly<typeof auditLog.$inferSelect>;

/** The author of a change. */
type AuditActor =
  | { readonly kind: "api_key"; readonly keyId: string; readonly address: string }
  /** A command of the operator, or a start of the gateway with changed settings. */
  | { readonly kind: "operator"; readonly command: string };

/** One change; its details never contain a secret. */
export type AuditNote = Pick<AuditEntry, "projectId" | "action" | "subject"> &
  Partial<Pick<AuditEntry, "details">>;

const NOTE = statement((orm, given: Given<Omit<AuditEntry, "createdAtMs">>) =>
  orm.insert(auditLog).values({
    id: given.id,
    projectId: given.projectId,
    action: given.action,
    subject: given.subject,
    details: given.details,
    keyId: given.keyId,
    command: given.command,
    address: given.address,
  }),
);

/**
 * Makes changes and their entries in the audit log in one transaction, so that neither exists
 * without the other; then logs a line for each.
 * @param work makes the changes on the given database, and notes each of them
 */
export async function audited<T>(
  database: Database,
  name: string,
  {
    actor,
    newId,
    log,
  }: {
    readonly actor: AuditActor;
    /** Creates the ids of entries. */
    readonly newId: () => string;
    readonly log: Pick<MessageLog, "info">;
  },
  work: (within: Database, note: (change: AuditNote) => void) => Promise<T>,
): Promise<T> {
  const notes: AuditNote[] = [];
  const result = await withinTransaction(database, name, async (within) => {
    // A transaction that is begun again notes its changes again.
    notes.length = 0;
    const done = await work(within, (change) => void notes.push(change));
    const who =
      actor.kind === "api_key"
        ? { keyId: actor.keyId, command: null, address: actor.address }
        : { keyId: null, command: actor.command, address: null };
    for (const change of notes) {
      const entry = { details: {}, ...change, ...who, id: newId() };
      await within.run("note-audit-entry", (sql) => NOTE(sql, entry));
    }
    return done;
  });
  for (const note of notes) log.info({ ...note, actor }, "audit");
  return result;
}

const LIST = statement(
  (orm, given: Given<{ projectId: string; beforeId: string; limit: number }>) =>
    orm
      .select()
      .from(auditLog)
      .where(and(eq(auditLog.projectId, given.projectId), lt(auditLog.id, given.beforeId)))
      .orderBy(desc(auditLog.id))
      .limit(given.limit),
);

/** The project's entries, newest first, from below the id given. */
export async function listAuditEntries(
  database: Database,
  query: PageQuery,
): Promise<Page<AuditEntry>> {
  const { projectId, limit } = query;
  const beforeId = beforeOrFirst(query.beforeId);
  const rows = await database.run("list-audit-entries", (sql) =>
    LIST(sql, { projectId, beforeId, limit: limit + 1 }),
  );
  return cutPage(rows, limit);
}

const ROWS_PER_STATEMENT_MAX = 5_000;

const FORGET_OLD = statement((orm, given: Given<{ keptForMs: number }>) => {
  const old = orm
    .select({ id: auditLog.id })
    .from(auditLog)
    .where(
      lt(
        auditLog.createdAtMs,
        sql`now() - make_interval(secs => ${given.keptForMs}::float8 / 1000)`,
      ),
    )
    .limit(ROWS_PER_STATEMENT_MAX);
  return orm.delete(auditLog).where(inArray(auditLog.id, old));
});

const newest = alias(auditLog, "newest");

const FORGET_BEYOND = template(
  (given: Given<{ rowsMax: number }>) => sql`
with full_projects as (
  select ${auditLog.projectId} from ${auditLog}
  group by ${auditLog.projectId} having count(*) > ${given.rowsMax}::integer
), cut as (
  select project_id, (
    select ${newest.id} from ${auditLog} as ${newest} where ${newest.projectId} = full_projects.project_id
    order by ${newest.id} desc offset ${given.rowsMax}::integer limit 1
  ) as id
  from full_projects
), old as (
  select ${auditLog.id} from cut join ${auditLog} on ${auditLog.projectId} = cut.project_id
  where ${auditLog.id} <= cut.id limit ${ROWS_PER_STATEMENT_MAX}
)
delete from ${auditLog} using old where ${auditLog.id} = old.id
`,
);

/**
 * Removes entries that are older than `keptForMs`, and each project's oldest entries beyond
 * `rowsMax`, a bounded number of each. Returns how many.
 */
export async function forgetAuditEntries(
  database: Database,
  { keptForMs, rowsMax }: { readonly keptForMs: number; readonly rowsMax: number },
): Promise<number> {
  const old = await database.run("forget-old-audit-entries", (sql) =>
    FORGET_OLD(sql, { keptForMs }),
  );
  const beyond = await database.run("forget-audit-entries-beyond", (sql) =>
    FORGET_BEYOND(sql, { rowsMax }),
  );
  return old.count + beyond.count;
}
