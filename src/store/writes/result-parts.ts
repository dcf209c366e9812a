import { and, between, eq, sql } from "drizzle-orm";
import { cutUtf8 } from "../../core/bytes.ts";
import type { CallOptions } from "../db/bounded-calls.ts";
import type { Database } from "../db/database.ts";
import { resultParts } from "../schema/schema.ts";
import { type Given, statement, WITHOUT_WAITING_FOR_THE_DISK } from "../sql/statement.ts";

/** Up to this size a result is in its event's row, where callbacks read it. */
export const IN_ROW_BYTES_MAX = 256 * 1024;
// Strings of up to 128 KiB are among V8's short-lived objects; larger ones outlive their use.
const PART_BYTES_MAX = 120 * 1024;

/** In SQL, of a row source named `event`: the result, wherever it is stored. */
export const WHOLE_RESULT = `
coalesce(event.result, (
  select convert_from(string_agg(bytes, ''::bytea order by number), 'UTF8') from result_parts as part
  where part.shard_id = event.shard_id and part.event_id = event.id
))`;

const STORE = statement((orm, given: Given<PartKey & { text: string }>) =>
  orm
    .insert(resultParts)
    .values({
      shardId: given.shardId,
      eventId: given.eventId,
      number: given.number,
      bytes: sql`convert_to(${given.text}::text, 'UTF8')`,
    })
    .onConflictDoNothing({
      target: [resultParts.shardId, resultParts.eventId, resultParts.number],
    }),
);

/**
 * Stores a result part by part, ahead of its event. Not waiting for the disk loses nothing: the
 * event is committed later, and its commit waits for everything before it. Retention removes parts
 * whose event never comes.
 *
 * One statement a part: as one array parameter, which has to be quoted and parsed, the same text
 * costs three times as much.
 */
export async function storeResult(
  database: Database,
  result: { readonly shardId: number; readonly eventId: string; readonly json: Buffer },
  options?: CallOptions,
): Promise<void> {
  const { shardId, eventId, json } = result;
  let number = 1;
  for (const part of cutUtf8(json, PART_BYTES_MAX)) {
    const stored = { shardId, eventId, number, text: part.toString() };
    await database.transaction(
      "store-result-part",
      (sql) => Promise.all([WITHOUT_WAITING_FOR_THE_DISK(sql, {}), STORE(sql, stored)]),
      { ...options, isSentAtOnce: true },
    );
    number += 1;
  }
}

const isThe = (given: Given<PartKey>) =>
  and(
    eq(resultParts.shardId, given.shardId),
    eq(resultParts.eventId, given.eventId),
    eq(resultParts.number, given.number),
  );

const FIND_PART = statement((orm, given: Given<PartKey>) =>
  orm.select({ bytes: resultParts.bytes }).from(resultParts).where(isThe(given)),
);

// As text it takes half the bytes in transit.
const FIND_TEXT_PART = statement((orm, given: Given<PartKey>) =>
  orm
    .select({ text: sql<string>`convert_from(${resultParts.bytes}, 'UTF8')` })
    .from(resultParts)
    .where(isThe(given)),
);

/** The most bytes by which a part may begin within a character of UTF-8. */
const OF_NEXT_BYTES = 3;

const FIND_WITH_NEXT = statement((orm, given: Given<PartKey>) =>
  orm
    .select({
      number: resultParts.number,
      bytes: sql<Buffer>`case when ${resultParts.number} = ${given.number}::integer
        then ${resultParts.bytes} else substring(${resultParts.bytes} from 1 for ${sql.raw(String(OF_NEXT_BYTES))}) end`,
    })
    .from(resultParts)
    .where(
      and(
        eq(resultParts.shardId, given.shardId),
        eq(resultParts.eventId, given.eventId),
        between(resultParts.number, given.number, sql`${given.number}::integer + 1`),
      ),
    ),
);

type PartKey = Readonly<Omit<typeof resultParts.$inferSelect, "bytes">>;

/** One part of a result that an upstream gave as JSON, or null after the last. */
export async function findTextPart(database: Database, part: PartKey): Promise<Buffer | null> {
  const [row] = await database.run("find-result-part", (sql) => FIND_TEXT_PART(sql, part));
  return row === undefined ? null : Buffer.from(row.text);
}

/**
 * One part of any result, and the first bytes of the part after it, or null when it is the last. Null
 * after the last.
 */
export async function findPartWithNext(
  database: Database,
  part: PartKey,
): Promise<{ readonly bytes: Buffer; readonly next: Buffer | null } | null> {
  const rows = await database.run("find-result-part-with-next", (sql) => FIND_WITH_NEXT(sql, part));
  const found = rows.find(({ number }) => number === part.number);
  const next = rows.find(({ number }) => number !== part.number);
  return found === undefined ? null : { bytes: found.bytes, next: next?.bytes ?? null };
}

/** One part of a result that was fetched, whatever its content. */
export async function findPart(database: Database, part: PartKey): Promise<Buffer | null> {
  const [row] = await database.run("find-result-part", (sql) => FIND_PART(sql, part));
  return row?.bytes ?? null;
}
