import type { Database } from "../db/database.ts";
import { rowSource } from "../sql/row-source.ts";
import type { InboxName } from "./place-messages.ts";

const KEYS = rowSource("key", { projectId: "uuid", name: "text" });

const FIND = `
with key as materialized (select * from ${KEYS.sql})
select key."projectId", key.name, inbox.last_position::float8 as "lastPosition"
from key join inboxes as inbox on inbox.project_id = key."projectId" and inbox.name = key.name
`;

/** The positions of the newest messages of the given inboxes. */
export function findLastPositions(
  database: Database,
  names: readonly InboxName[],
): Promise<(InboxName & { readonly lastPosition: number })[]> {
  return database.run("find-last-positions", (sql) =>
    sql.unsafe<(InboxName & { lastPosition: number })[]>(FIND, KEYS.parameters(names), {
      prepare: true,
    }),
  );
}
