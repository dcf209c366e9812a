import { type SQL, sql, type SQLWrapper } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { inboxes } from "../schema/inboxes.ts";
import { beforeOrFirst, cutPage, type Page, type PageQuery } from "../sql/page.ts";
import { type Given, template } from "../sql/statement.ts";
import { epochMsOf } from "../sql/time.ts";
import { inbox, joinUnread } from "./message-bytes.ts";
import type { InboxName } from "./place-messages.ts";
import { rowsOf } from "../sql/row-source.ts";

/** An inbox for display. Times are in epoch milliseconds. */
export interface InboxRecord extends Readonly<
  Pick<typeof inboxes.$inferSelect, "id" | "name" | "lastMessageAtMs" | "createdAtMs">
> {
  /** Approximate bytes of the messages that no consumer has acknowledged. */
  readonly unreadBytes: number;
}

const select = (found: SQL, inlineResultBytesMax: SQLWrapper): SQL<InboxRecord> => sql`
select ${inbox.id}, ${inbox.name}, unread.bytes as "unreadBytes",
  ${epochMsOf(inbox.lastMessageAtMs)} as "lastMessageAtMs",
  ${epochMsOf(inbox.createdAtMs)} as "createdAtMs"
from (${found}) as ${inbox} ${joinUnread(inlineResultBytesMax)}
`;

const FIND = template(
  (given: Given<InboxName & { inlineResultBytesMax: number }>) => sql<InboxRecord>`
${select(
  sql`select * from ${inboxes}
    where ${inboxes.projectId} = ${given.projectId} and ${inboxes.name} = ${given.name}
      and ${inboxes.deletedAtMs} is null`,
  given.inlineResultBytesMax,
)}
`,
);

/** The project's inbox of this name, or null. */
export async function findInbox(
  database: Database,
  of: InboxName,
  inlineResultBytesMax: number,
): Promise<InboxRecord | null> {
  const [row] = await database.run("find-inbox", (run) =>
    FIND(run, { ...of, inlineResultBytesMax }),
  );
  return row ?? null;
}

// The page is cut before it is joined, so that only its own inboxes' messages are looked at.
const LIST = template(
  (
    given: Given<{
      projectId: string;
      beforeId: string;
      limit: number;
      inlineResultBytesMax: number;
    }>,
  ) => sql<InboxRecord>`
${select(
  sql`select * from ${inboxes}
    where ${inboxes.projectId} = ${given.projectId} and ${inboxes.deletedAtMs} is null
      and ${inboxes.id} < ${given.beforeId}
    order by ${inboxes.id} desc limit ${given.limit}`,
  given.inlineResultBytesMax,
)}
order by ${inbox.id} desc
`,
);

/** The project's inboxes, newest first. */
export async function findInboxes(
  database: Database,
  query: PageQuery & { readonly inlineResultBytesMax: number },
): Promise<Page<InboxRecord>> {
  const rows = await database.run("find-inboxes", (run) =>
    LIST(run, {
      ...query,
      beforeId: beforeOrFirst(query.beforeId),
      limit: query.limit + 1,
    }),
  );
  return cutPage(rows, query.limit);
}

type LastPosition = InboxName & { readonly lastPosition: number };

const LAST_POSITIONS = template(
  (given: Given<{ names: readonly InboxName[] }>) => sql<LastPosition>`
with key as materialized (
  select * from ${rowsOf("key", { projectId: "uuid", name: "text" }, given.names)}
)
select key."projectId", key.name, ${inbox.lastPosition}::float8 as "lastPosition"
from key join ${inboxes} as ${inbox}
  on ${inbox.projectId} = key."projectId" and ${inbox.name} = key.name
`,
);

/** The positions of the newest messages of the given inboxes. */
export function findLastPositions(
  database: Database,
  names: readonly InboxName[],
): Promise<LastPosition[]> {
  return database.run("find-last-positions", (run) => LAST_POSITIONS(run, { names }));
}
