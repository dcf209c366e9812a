import type postgres from "postgres";

export interface Seed {
  readonly count: number;
  readonly projectId: string;
  /** Where they go: `<origin>/<number>`, in turn. */
  readonly origins: readonly string[];
  readonly status?: string;
  /** Attempts that each has behind it. */
  readonly attempts?: number;
  /** When all of it happened, in epoch milliseconds; each a millisecond after the one before. */
  readonly fromMs: number;
}

/**
 * Stores deliveries as they stand long after their jobs ended, each of a job, an event and a
 * subscription of its own, spread over all shards. Their ids are as real ones: time, shard, rest.
 */
export async function seedDeliveries(sql: postgres.Sql, seed: Seed): Promise<void> {
  const { count, projectId, origins, status = "exhausted", attempts = 12, fromMs } = seed;
  await sql.unsafe(
    `
    with seeded as materialized (
      select number, number % 256 as shard_id, to_timestamp(($2::float8 + number) / 1000) as at,
        ($3::text[])[1 + number % array_length($3::text[], 1)] as origin,
        lpad(to_hex($2::bigint + number), 12, '0') || '70' || lpad(to_hex(number % 256), 2, '0')
          || '8' || lpad(to_hex(number), 11, '0') as id
      from generate_series(0, $1::int - 1) as number
    ),
    row as materialized (
      select *, (id || '0001')::uuid as job, (id || '0002')::uuid as subscription,
        (id || '0003')::uuid as event, (id || '0004')::uuid as delivery
      from seeded
    ),
    a as (
      insert into jobs (shard_id, id, project_id, connection_id, provider, job_id, status,
        accepted_at, deadline_at, wanted_events, ended_at, last_event_id)
      select shard_id, job, $4, $4, 'pulse', 'seeded-' || id, 'completed', at, at, 31, at, event
      from row
    ),
    b as (
      insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url,
        callback_origin, events, payload, metadata, created_at)
      select shard_id, subscription, $4, job, origin || '/' || number, origin, 31, 'full', '{}', at
      from row
    ),
    c as (
      insert into events (shard_id, id, project_id, job_row_id, provider, job_id, type,
        occurred_at, result, result_bytes)
      select shard_id, event, $4, job, 'pulse', 'seeded-' || id, 'job.completed', at, '{}', 2
      from row
    )
    insert into deliveries (shard_id, id, project_id, subscription_id, event_id, event_type,
      callback_origin, status, attempt_count, next_attempt_at, created_at, finished_at)
    select shard_id, delivery, $4, subscription, event, 'job.completed', origin, $5, $6,
      case when $5 = 'pending' then at end, at, case when $5 <> 'pending' then at end
    from row`,
    [count, fromMs, [...origins], projectId, status, attempts],
  );
}
