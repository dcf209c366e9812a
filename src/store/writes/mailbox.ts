import { arrayLiteral } from "../sql/statement.ts";
import type { Database } from "../db/database.ts";
import { rowSource } from "../sql/row-source.ts";
import type { mailbox } from "../schema/schema.ts";

/** A command to the owner of a shard: something happened to a job or one of its deliveries. */
export type NodeCommand = Readonly<typeof mailbox.$inferSelect>;

const INPUT = rowSource("row", {
  shardId: "smallint",
  id: "uuid",
  kind: "text",
  subjectId: "uuid",
});

const POST = `
insert into mailbox (shard_id, id, kind, subject_id)
select "shardId", id, kind, "subjectId" from ${INPUT.sql}
on conflict (shard_id, id) do nothing
`;

export async function postCommands(
  database: Database,
  mail: readonly NodeCommand[],
): Promise<void> {
  await database.run("post-mail", (sql) =>
    sql.unsafe(POST, INPUT.parameters(mail), { prepare: true }),
  );
}

export const COMMANDS_PER_TAKE_MAX = 2000;

const TAKE = `
with taken as materialized (
  select shard_id, id from mailbox
  where shard_id = any ($1::text::smallint[])
  order by shard_id, id limit ${COMMANDS_PER_TAKE_MAX}
)
delete from mailbox using taken
where mailbox.shard_id = taken.shard_id and mailbox.id = taken.id
returning mailbox.shard_id as "shardId", mailbox.id, kind, subject_id as "subjectId"
`;

/**
 * Takes commands out of the mailboxes of the shards, at most `COMMANDS_PER_TAKE_MAX`. A node that
 * dies with a command in hand loses it; the sweep finds the job.
 */
export async function takeCommands(
  database: Database,
  shardIds: readonly number[],
): Promise<NodeCommand[]> {
  const rows = await database.run("take-mail", (sql) =>
    sql.unsafe<NodeCommand[]>(TAKE, [arrayLiteral(shardIds)], { prepare: true }),
  );
  return [...rows].sort((a, b) => (a.id < b.id ? -1 : 1));
}
