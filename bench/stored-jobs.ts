import type { Sql } from "postgres";
import { parsePublicId, SHARD_COUNT } from "../src/core/ids/ids.ts";
import type { BenchConnection } from "./gateway.ts";

const ROWS_A_STATEMENT = 100_000;

/**
 * Writes running jobs into the gateway's tables, because to have a million accepted takes a
 * minute. They have no subscriptions, which neither loading nor polling looks at. The gateway
 * learns of them at its next start.
 */
export async function storeJobs(
  sql: Sql,
  connection: BenchConnection,
  numbers: { readonly from: number; readonly to: number },
): Promise<void> {
  const connectionId = parsePublicId("connection", connection.id);
  for (let from = numbers.from; from < numbers.to; from += ROWS_A_STATEMENT) {
    const last = Math.min(from + ROWS_A_STATEMENT, numbers.to) - 1;
    await sql`
      insert into jobs (
        shard_id, id, project_id, connection_id, provider, job_id, status, accepted_at,
        deadline_at, wanted_events
      )
      select shard, (left(time, 8) || '-' || right(time, 4) || '-70' || lpad(to_hex(shard), 2, '0')
          || '-8000-' || lpad(to_hex(number), 12, '0'))::uuid,
        connections.project_id, connections.id, provider, 'bench-' || number, 'processing', now(),
        now() + interval '2 days', 31
      from generate_series(${from}::int, ${last}::int) as number,
        lateral (select number % ${SHARD_COUNT}::int as shard) as sharded,
        lateral (
          select lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') as time
        ) as timed,
        connections
      where connections.id = ${connectionId}`;
  }
  await sql`vacuum analyze jobs`;
}
