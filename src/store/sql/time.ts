import { type SQL, type SQLWrapper, sql } from "drizzle-orm";
import { customType } from "drizzle-orm/pg-core";

/*
 * Times are epoch milliseconds in the program and `timestamptz(3)` in the database. All conversions
 * are here.
 */

/** A column that is read and written as epoch milliseconds. */
export const time = customType<{ data: number; driverData: string }>({
  dataType: () => "timestamp (3) with time zone",
  toDriver: (ms) => new Date(ms).toISOString(),
  fromDriver: msOfTimestamp,
});

/** ISO, as Postgres writes it: the offset omits minutes where it has none. */
const TIMESTAMP = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(:\d\d)?$/;

/**
 * A `timestamptz` as the server sends it, in epoch milliseconds. Connections ask for `DateStyle`
 * ISO (`db/call-bounds.ts`); in another style the order of day and month is ambiguous, so it
 * throws.
 */
function msOfTimestamp(text: string): number {
  const [, date = "", time = "", hours = "", minutes = ":00"] = TIMESTAMP.exec(text) ?? [];
  const ms = Date.parse(`${date}T${time}${hours}${minutes}`);
  if (Number.isNaN(ms)) throw new Error(`The database's DateStyle is not ISO: it sent "${text}".`);
  return ms;
}

/** The time of a parameter in epoch milliseconds; as float8, since `numeric` takes 0.3 µs longer. */
export function timeOf(ms: SQLWrapper): SQL {
  return sql`to_timestamp(${ms}::float8 / 1000)`;
}

/** The same in hand-written SQL. */
export function timeFrom(ms: string): string {
  return `to_timestamp(${ms}::float8 / 1000)`;
}

/**
 * A time in epoch milliseconds, in hand-written SQL, by immutable functions only. On Citus no other
 * may return what a statement has written: `date_part` of a time is stable, since some of its fields
 * depend on the time zone of the session; of an interval it is immutable.
 */
export function epochMs(timeSql: string): string {
  return `round(date_part('epoch', ${timeSql} - to_timestamp(0)) * 1000)`;
}

/** The same of a column in a template. */
export function epochMsOf(time: SQLWrapper): SQL {
  return sql`round(date_part('epoch', ${time} - to_timestamp(0)) * 1000)`;
}
