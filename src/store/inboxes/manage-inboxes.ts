import { and, eq, isNotNull, isNull, sql } from "drizzle-orm";
import { inboxTarget } from "../../core/delivery/inbox-target.ts";
import type { Database } from "../db/database.ts";
import { inboxConsumers, inboxes } from "../schema/inboxes.ts";
import { deliveries } from "../schema/schema.ts";
import { excluded, type Given, nameOf, statement, template } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import type { InboxName } from "./place-messages.ts";

const { projectId, name, id, deletedAtMs, createdAtMs } = inboxes;
const { deletedPosition, lastPosition, ackedPosition } = inboxes;

const isInbox = (of: Given<InboxName>) =>
  and(eq(projectId, of.projectId), eq(name, of.name), isNull(deletedAtMs));

// An inbox that was deleted continues at its last position, so that no position is used twice.
const CREATE = statement((orm, given: Given<InboxName & { id: string; nowMs: number }>) =>
  orm
    .insert(inboxes)
    .values({
      projectId: given.projectId,
      name: given.name,
      id: given.id,
      createdAtMs: given.nowMs,
    })
    .onConflictDoUpdate({
      target: [projectId, name],
      set: { deletedAtMs: null, createdAtMs: excluded(createdAtMs) },
      setWhere: isNotNull(deletedAtMs),
    })
    .returning({ id }),
);

/** Creates the inbox unless it exists; true when it was created. */
export async function createInbox(
  database: Database,
  inbox: InboxName & { readonly id: string; readonly nowMs: number },
): Promise<boolean> {
  const made = await database.run("create-inbox", (run) => CREATE(run, inbox));
  return made.length > 0;
}

const IS_THERE = statement((orm, given: Given<InboxName>) =>
  orm.select({ id }).from(inboxes).where(isInbox(given)),
);

export async function isInboxThere(database: Database, inbox: InboxName): Promise<boolean> {
  const rows = await database.run("is-inbox-there", (run) => IS_THERE(run, inbox));
  return rows.length > 0;
}

// Its messages are not touched: they lie before `deleted_position`, where nothing is read any more.
const DELETE = template(
  (given: Given<InboxName & { nowMs: number }>) => sql`
with gone as (
  update ${inboxes} set
    ${nameOf(deletedPosition)} = ${lastPosition},
    ${nameOf(ackedPosition)} = greatest(${ackedPosition}, ${lastPosition}),
    ${nameOf(deletedAtMs)} = ${timeOf(given.nowMs)}
  where ${isInbox(given)}
  returning ${nameOf(name)}
),
without_consumers as (
  delete from ${inboxConsumers} using gone
  where ${inboxConsumers.projectId} = ${given.projectId} and ${inboxConsumers.inbox} = gone.name
)
select name from gone
`,
);

/** Deletes an inbox with its messages and consumers; false when there is none. */
export async function deleteInbox(
  database: Database,
  inbox: InboxName & { readonly nowMs: number },
): Promise<boolean> {
  const deleted = await database.run("delete-inbox", (run) => DELETE(run, inbox));
  return deleted.length > 0;
}

const ROWS_PER_STATEMENT_MAX = 500;

// Messages that a consumer acknowledged this long ago are removed, so without its row it would
// begin at the same place.
const FORGET_CONSUMERS = template(
  (given: Given<{ activeSinceMs: number }>) => sql`
delete from ${inboxConsumers} using (
  select ${inboxConsumers.projectId}, ${inboxConsumers.inbox}, ${inboxConsumers.name}
  from ${inboxConsumers}
  where ${inboxConsumers.activeAtMs} < ${timeOf(given.activeSinceMs)}
    and ${inboxConsumers.readerId} is null
  order by ${inboxConsumers.activeAtMs} limit ${ROWS_PER_STATEMENT_MAX}
) as idle
where ${inboxConsumers.projectId} = idle.project_id and ${inboxConsumers.inbox} = idle.inbox
  and ${inboxConsumers.name} = idle.name
`,
);

const FORGET_INBOXES = template(
  (given: Given<{ activeSinceMs: number }>) => sql`
delete from ${inboxes} using (
  select ${projectId}, ${name} from ${inboxes}
  where ${deletedAtMs} < ${timeOf(given.activeSinceMs)}
    -- An inbox of that name that is made later must not find them.
    and not exists (
      select from ${deliveries}
      where ${deliveries.projectId} = ${projectId}
        and ${deliveries.callbackOrigin} = ${inboxTarget("")} || ${name}
        and ${deliveries.inboxPosition} > 0
    )
  order by ${deletedAtMs} limit ${ROWS_PER_STATEMENT_MAX}
) as gone
where ${projectId} = gone.project_id and ${name} = gone.name and ${deletedAtMs} is not null
`,
);

/**
 * Removes consumers and deleted inboxes whose messages are gone, a bounded number; returns how
 * many.
 * @param activeSinceMs rows that were active since then are kept; older messages are removed
 */
export async function forgetOldInboxes(database: Database, activeSinceMs: number): Promise<number> {
  const results = await database.run("forget-old-inboxes", (run) =>
    Promise.all([FORGET_CONSUMERS(run, { activeSinceMs }), FORGET_INBOXES(run, { activeSinceMs })]),
  );
  return results.reduce((sum, { count }) => sum + count, 0);
}
