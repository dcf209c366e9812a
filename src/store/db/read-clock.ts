import { sql } from "drizzle-orm";
import type { ClockReading, DatabaseClock } from "../../runtime/clock.ts";
import { template } from "../sql/statement.ts";
import type { Database } from "./database.ts";

/** In SQL: the time at which it is evaluated, in epoch milliseconds. */
export const CLOCK_MS = "(extract(epoch from clock_timestamp()) * 1000)::float8";

const READ = template(
  () => sql<{ databaseMs: number }>`select ${sql.raw(CLOCK_MS)} as "databaseMs"`,
);

/** Sets the clock by the database's; returns by how many milliseconds that moved it. */
export async function setByDatabase(clock: DatabaseClock, database: Database): Promise<number> {
  const reading = await timed(clock, async () => {
    const [row] = await database.run("read-clock", (sql) => READ(sql, {}));
    if (row === undefined) throw new Error("the server returned no time");
    return row;
  });
  return clock.set(reading);
}

/** Runs a statement that reads the database's clock, and adds when it was sent and answered. */
export async function timed<Row extends Pick<ClockReading, "databaseMs">>(
  clock: DatabaseClock,
  read: () => Promise<Row>,
): Promise<Row & ClockReading> {
  const sentAtMs = clock.monotonic();
  const row = await read();
  return { ...row, sentAtMs, receivedAtMs: clock.monotonic() };
}
