import { cutUtf8 } from "../../core/cut-utf8.ts";
import type { CallOptions } from "../db/bounded-calls.ts";
import type { Database } from "../db/database.ts";

/** Up to here a result stands in its event's row, where a callback takes it from. */
export const IN_ROW_BYTES_MAX = 256 * 1024;
// Strings of up to 128 KiB lie with V8's short-lived objects; larger ones outlive their use.
const PART_BYTES_MAX = 120 * 1024;

/** In SQL, of a row source named `event`: the result, wherever it is kept. */
export const WHOLE_RESULT = `
coalesce(event.result, (
  select convert_from(string_agg(bytes, ''::bytea order by number), 'UTF8') from result_parts as part
  where part.shard_id = event.shard_id and part.event_id = event.id
))`;

const STORE = `
insert into result_parts (shard_id, event_id, number, bytes)
values ($1, $2, $3, convert_to($4::text, 'UTF8'))
on conflict (shard_id, event_id, number) do nothing
`;

/**
 * Stores a result part by part, ahead of its event. Not waiting for the disk loses nothing: the
 * event is committed later, and waits for everything before it. Parts whose event never comes are
 * swept away with what is past its retention.
 *
 * One statement a part: as one array parameter, which has to be quoted and taken apart, the same
 * text costs three times as much.
 */
export async function storeResult(
  database: Database,
  result: { readonly shardId: number; readonly eventId: string; readonly json: Buffer },
  options?: CallOptions,
): Promise<void> {
  const { shardId, eventId, json } = result;
  let number = 1;
  for (const part of cutUtf8(json, PART_BYTES_MAX)) {
    const parameters = [shardId, eventId, number, part.toString()];
    await database.transaction(
      "store-result-part",
      (sql) =>
        Promise.all([
          sql.unsafe("set local synchronous_commit = off"),
          sql.unsafe(STORE, parameters, { prepare: true }),
        ]),
      options,
    );
    number += 1;
  }
}

const FIND_PART = `
select bytes from result_parts where shard_id = $1 and event_id = $2 and number = $3
`;

// As text it takes half the bytes on its way here.
const FIND_TEXT_PART = `
select convert_from(bytes, 'UTF8') as text from result_parts
where shard_id = $1 and event_id = $2 and number = $3
`;

export interface PartKey {
  readonly shardId: number;
  readonly eventId: string;
  /** 1 for the first. */
  readonly number: number;
}

/** One part of a result that an upstream gave as JSON, or null behind the last. */
export async function findTextPart(database: Database, part: PartKey): Promise<Buffer | null> {
  const [row] = await database.run("find-result-part", (sql) =>
    sql.unsafe<{ text: string }[]>(FIND_TEXT_PART, keyOf(part), { prepare: true }),
  );
  return row === undefined ? null : Buffer.from(row.text);
}

/** One part of a result that was fetched, whatever it holds. */
export async function findPart(database: Database, part: PartKey): Promise<Buffer | null> {
  const [row] = await database.run("find-result-part", (sql) =>
    sql.unsafe<{ bytes: Buffer }[]>(FIND_PART, keyOf(part), { prepare: true }),
  );
  return row?.bytes ?? null;
}

function keyOf({ shardId, eventId, number }: PartKey): [number, string, number] {
  return [shardId, eventId, number];
}
