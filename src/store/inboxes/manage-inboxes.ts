import { inboxTarget } from "../../core/delivery/inbox-target.ts";
import type { Database } from "../db/database.ts";
import { timeFrom } from "../sql/time.ts";
import type { InboxName } from "./place-messages.ts";

// An inbox that was deleted continues at its last position, so that no position is used twice.
const CREATE = `
insert into inboxes (project_id, name, id, created_at)
values ($1, $2, $3, ${timeFrom("$4")})
on conflict (project_id, name) do update set
  deleted_at = null, created_at = excluded.created_at
where inboxes.deleted_at is not null
returning id
`;

/** Creates the inbox unless it exists; true when it was created. */
export async function createInbox(
  database: Database,
  inbox: InboxName & { readonly id: string; readonly nowMs: number },
): Promise<boolean> {
  const { projectId, name, id, nowMs } = inbox;
  const made = await database.run("create-inbox", (sql) =>
    sql.unsafe(CREATE, [projectId, name, id, nowMs], { prepare: true }),
  );
  return made.length > 0;
}

const IS_THERE = `
select from inboxes where project_id = $1 and name = $2 and deleted_at is null
`;

export async function isInboxThere(database: Database, inbox: InboxName): Promise<boolean> {
  const rows = await database.run("is-inbox-there", (sql) =>
    sql.unsafe(IS_THERE, [inbox.projectId, inbox.name], { prepare: true }),
  );
  return rows.length > 0;
}

// Its messages are not touched: they lie before `deleted_position`, where nothing is read any more.
const DELETE = `
with gone as (
  update inboxes set
    deleted_position = last_position, acked_position = greatest(acked_position, last_position),
    deleted_at = ${timeFrom("$3")}
  where project_id = $1 and name = $2 and deleted_at is null
  returning name
),
without_consumers as (
  delete from inbox_consumers using gone where project_id = $1 and inbox = gone.name
)
select name from gone
`;

/** Deletes an inbox with its messages and consumers; false when there is none. */
export async function deleteInbox(
  database: Database,
  inbox: InboxName & { readonly nowMs: number },
): Promise<boolean> {
  const { projectId, name, nowMs } = inbox;
  const deleted = await database.run("delete-inbox", (sql) =>
    sql.unsafe(DELETE, [projectId, name, nowMs], { prepare: true }),
  );
  return deleted.length > 0;
}

const ROWS_PER_STATEMENT_MAX = 500;

// Messages that a consumer acknowledged this long ago are removed, so without its row it would
// begin at the same place.
const FORGET_CONSUMERS = `
delete from inbox_consumers using (
  select project_id, inbox, name from inbox_consumers
  where active_at < ${timeFrom("$1")} and reader_id is null
  order by active_at limit ${ROWS_PER_STATEMENT_MAX}
) as idle
where inbox_consumers.project_id = idle.project_id and inbox_consumers.inbox = idle.inbox
  and inbox_consumers.name = idle.name
`;

const FORGET_INBOXES = `
delete from inboxes using (
  select project_id, name from inboxes
  where deleted_at < ${timeFrom("$1")}
    -- An inbox of that name that is made later must not find them.
    and not exists (
      select from deliveries
      where deliveries.project_id = inboxes.project_id
        and deliveries.callback_origin = '${inboxTarget("")}' || inboxes.name and inbox_position > 0
    )
  order by deleted_at limit ${ROWS_PER_STATEMENT_MAX}
) as gone
where inboxes.project_id = gone.project_id and inboxes.name = gone.name
  and inboxes.deleted_at is not null
`;

/**
 * Removes consumers and deleted inboxes whose messages are gone, a bounded number; returns how
 * many.
 * @param activeSinceMs rows that were active since then are kept; older messages are removed
 */
export async function forgetOldInboxes(database: Database, activeSinceMs: number): Promise<number> {
  const results = await database.run("forget-old-inboxes", (sql) =>
    Promise.all([
      sql.unsafe(FORGET_CONSUMERS, [activeSinceMs], { prepare: true }),
      sql.unsafe(FORGET_INBOXES, [activeSinceMs], { prepare: true }),
    ]),
  );
  return results.reduce((sum, { count }) => sum + count, 0);
}
