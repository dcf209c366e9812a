import type postgres from "postgres";
import { expect, vi } from "vitest";

/** Resolves once that many statements wait for a lock in the database of `sql`. */
export async function statementsWait(sql: postgres.Sql, count: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const [row] = await sql`
        select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      expect(row?.["waiting"]).toBe(count);
    },
    { timeout: 60_000, interval: 10 },
  );
}
