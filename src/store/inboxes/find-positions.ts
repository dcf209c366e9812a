import { sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { Database } from "../db/database.ts";
import { inboxes } from "../schema/inboxes.ts";
import { rowsOf } from "../sql/row-source.ts";
import { type Given, template } from "../sql/statement.ts";
import type { InboxName } from "./place-messages.ts";

type LastPosition = InboxName & { readonly lastPosition: number };

const inbox = alias(inboxes, "inbox");

const FIND = template(
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
  return database.run("find-last-positions", (run) => FIND(run, { names }));
}
