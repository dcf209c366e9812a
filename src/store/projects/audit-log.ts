import type { AuditAction, AuditDetails } from "../../core/audit-action.ts";
import type { Database } from "../db/database.ts";
import { epochMs } from "../sql/epoch-ms.ts";

/** Who makes a change. */
export type AuditActor =
  | { readonly kind: "api_key"; readonly keyId: string; readonly address: string }
  /** One of the operator's commands, or the start of the gateway with other settings. */
  | { readonly kind: "operator"; readonly command: string };

/** One change. */
export interface AuditNote {
  readonly projectId: string;
  readonly action: AuditAction;
  /** The public id of what was changed, or its name. */
  readonly subject: string;
  /** Never a secret. */
  readonly details?: AuditDetails;
}

export interface AuditPorts {
  readonly actor: AuditActor;
  /** Makes the ids of entries. */
  readonly newId: () => string;
  readonly log: { info(fields: object, message: string): void };
}

const NOTE = `
insert into audit_log (id, project_id, action, subject, details, key_id, command, address)
values ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8)
`;

/**
 * Makes changes and the audit log's entries about them in one transaction, so that there is neither
 * without the other; then logs a line for each.
 * @param work makes the changes on the database that it is given, and notes each that it made
 */
export async function audited<T>(
  database: Database,
  name: string,
  { actor, newId, log }: AuditPorts,
  work: (within: Database, note: (change: AuditNote) => void) => Promise<T>,
): Promise<T> {
  const notes: AuditNote[] = [];
  const result = await database.transaction(name, async (sql, orm) => {
    // A transaction that is begun again notes its changes again.
    notes.length = 0;
    const within: Database = {
      run: (_name, statement) => statement(sql, orm),
      transaction: (_name, statements) => statements(sql, orm),
    };
    const done = await work(within, (change) => void notes.push(change));
    for (const { projectId, action, subject, details = {} } of notes) {
      const [keyId, command, address] =
        actor.kind === "api_key" ? [actor.keyId, null, actor.address] : [null, actor.command, null];
      const what = [newId(), projectId, action, subject, JSON.stringify(details)];
      await sql.unsafe(NOTE, [...what, keyId, command, address]);
    }
    return done;
  });
  for (const note of notes) log.info({ ...note, actor }, "audit");
  return result;
}

/** An entry as it is stored. */
export interface AuditEntry extends Required<AuditNote> {
  readonly id: string;
  /** Null for a command's. */
  readonly keyId: string | null;
  /** Null for a change through the API. */
  readonly command: string | null;
  readonly address: string | null;
  readonly createdAtMs: number;
}

const LIST = `
select id, project_id as "projectId", action, subject, details, key_id as "keyId", command, address,
  ${epochMs("created_at")} as "createdAtMs"
from audit_log
where project_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3
`;

/** The project's entries, newest first, from below the id given. */
export function listAuditEntries(
  database: Database,
  query: { readonly projectId: string; readonly beforeId: string | null; readonly limit: number },
): Promise<AuditEntry[]> {
  return database.run("list-audit-entries", (sql) =>
    sql.unsafe<AuditEntry[]>(LIST, [query.projectId, query.beforeId, query.limit], {
      prepare: true,
    }),
  );
}

const ROWS_PER_STATEMENT_MAX = 5_000;

const FORGET_OLD = `
with old as (
  select id from audit_log
  where created_at < now() - make_interval(secs => $1::float8 / 1000)
  limit ${ROWS_PER_STATEMENT_MAX}
)
delete from audit_log using old where audit_log.id = old.id
`;

const FORGET_BEYOND = `
with full_projects as (
  select project_id from audit_log group by project_id having count(*) > $1::integer
), cut as (
  select project_id, (
    select id from audit_log as newest where newest.project_id = full_projects.project_id
    order by id desc offset $1::integer limit 1
  ) as id
  from full_projects
), old as (
  select audit_log.id from cut join audit_log using (project_id)
  where audit_log.id <= cut.id limit ${ROWS_PER_STATEMENT_MAX}
)
delete from audit_log using old where audit_log.id = old.id
`;

/**
 * Removes entries that are older than `keptForMs`, and of each project the oldest beyond `rowsMax`; a
 * bounded number of each. Returns how many.
 */
export async function forgetAuditEntries(
  database: Database,
  { keptForMs, rowsMax }: { readonly keptForMs: number; readonly rowsMax: number },
): Promise<number> {
  const old = await database.run("forget-old-audit-entries", (sql) =>
    sql.unsafe(FORGET_OLD, [keptForMs], { prepare: true }),
  );
  const beyond = await database.run("forget-audit-entries-beyond", (sql) =>
    sql.unsafe(FORGET_BEYOND, [rowsMax], { prepare: true }),
  );
  return old.count + beyond.count;
}
