/**
 * In SQL: a time in epoch milliseconds, by immutable functions only. On Citus no other may return
 * what a statement has written: `date_part` of a time is stable, since some of its fields depend on
 * the time zone of the session; of an interval it is immutable.
 */
export function epochMs(time: string): string {
  return `round(date_part('epoch', ${time} - to_timestamp(0)) * 1000)`;
}
