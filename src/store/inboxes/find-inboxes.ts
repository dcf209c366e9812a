import type { Database } from "../db/database.ts";
import { epochMs } from "../sql/time.ts";
import type { Page } from "../sql/page.ts";
import { joinUnread } from "./message-bytes.ts";
import type { InboxName } from "./place-messages.ts";

/** An inbox for display. Times are in epoch milliseconds. */
export interface InboxRecord {
  readonly id: string;
  readonly name: string;
  /** Approximate bytes of the messages that no consumer has acknowledged. */
  readonly unreadBytes: number;
  readonly lastMessageAtMs: number | null;
  readonly createdAtMs: number;
}

const select = (inlineResultBytesMax: string): string => `
select inbox.id, inbox.name, unread.bytes as "unreadBytes",
  ${epochMs("inbox.last_message_at")} as "lastMessageAtMs",
  ${epochMs("inbox.created_at")} as "createdAtMs"
from inboxes as inbox ${joinUnread(inlineResultBytesMax)}
`;

const FIND = `${select("$3::int")}
where inbox.project_id = $1 and inbox.name = $2 and inbox.deleted_at is null
`;

/** The project's inbox of this name, or null. */
export async function findInbox(
  database: Database,
  inbox: InboxName,
  inlineResultBytesMax: number,
): Promise<InboxRecord | null> {
  const { projectId, name } = inbox;
  const [row] = await database.run("find-inbox", (sql) =>
    sql.unsafe<InboxRecord[]>(FIND, [projectId, name, inlineResultBytesMax], { prepare: true }),
  );
  return row ?? null;
}

const LIST = `${select("$4::int")}
where inbox.project_id = $1 and ($2::uuid is null or inbox.id < $2) and inbox.deleted_at is null
order by inbox.id desc limit $3
`;

/** The project's inboxes, newest first. */
export async function findInboxes(
  database: Database,
  query: {
    readonly projectId: string;
    readonly beforeId: string | null;
    readonly limit: number;
    readonly inlineResultBytesMax: number;
  },
): Promise<Page<InboxRecord>> {
  const { projectId, beforeId, limit, inlineResultBytesMax } = query;
  const rows = await database.run("find-inboxes", (sql) =>
    sql.unsafe<InboxRecord[]>(LIST, [projectId, beforeId, limit + 1, inlineResultBytesMax], {
      prepare: true,
    }),
  );
  const page = rows.slice(0, limit);
  return { rows: page, lastId: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}
