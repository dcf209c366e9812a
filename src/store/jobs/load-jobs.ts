import { packedFromBytes, type PackedUuids } from "../../core/ids/packed-uuids.ts";
import { arrayLiteral } from "../sql/statement.ts";
import type { Database } from "../db/database.ts";
import { rowSource } from "../sql/row-source.ts";
import type { jobs, JobStatus } from "../schema/schema.ts";
import { epochMs } from "../sql/time.ts";

/** A live job as the watch list needs it. Times are in epoch milliseconds. */
export interface LiveJob extends Readonly<
  Pick<
    typeof jobs.$inferSelect,
    | "id"
    | "shardId"
    | "projectId"
    | "connectionId"
    | "provider"
    | "providerVersionId"
    | "jobId"
    | "params"
    | "acceptedAtMs"
    | "deadlineAtMs"
    | "wantedEvents"
    | "seen"
    | "pollCount"
    | "lastPolledAtMs"
    | "lastError"
    | "progress"
  >
> {
  readonly status: "pending" | "processing";
  /** Whether its `job.processing` has been recorded. */
  readonly processingAnnounced: boolean;
}

interface OtherJob {
  readonly status: Exclude<JobStatus, LiveJob["status"]>;
}

const COLUMNS = `
  jobs.id, shard_id as "shardId", project_id as "projectId", connection_id as "connectionId", provider,
  provider_version_id as "providerVersionId", job_id as "jobId", params, status,
  ${epochMs("accepted_at")} as "acceptedAtMs",
  ${epochMs("deadline_at")} as "deadlineAtMs",
  wanted_events as "wantedEvents", processing_event_id is not null as "processingAnnounced", seen, poll_count as "pollCount",
  ${epochMs("last_polled_at")} as "lastPolledAtMs",
  last_error as "lastError", progress
`;

const PAGE_ROWS = 5000;
const ONE_PAGE = `
select ${COLUMNS} from jobs
where shard_id = any ($1::text::smallint[]) and (shard_id, id) > ($2, $3::uuid)
  and status in ('pending', 'processing')
order by shard_id, id limit ${PAGE_ROWS}
`;
const BEFORE_ALL = { shardId: 0, id: "00000000-0000-0000-0000-000000000000" };

/** The live jobs of shards, page by page, so that memory never holds large sets twice. */
export async function* loadLiveJobs(
  database: Database,
  shardIds: readonly number[],
): AsyncGenerator<LiveJob[]> {
  let after: { readonly shardId: number; readonly id: string } = BEFORE_ALL;
  for (;;) {
    const parameters = [arrayLiteral(shardIds), after.shardId, after.id];
    const page = await database.run("load-live-jobs", (sql) =>
      sql.unsafe<LiveJob[]>(ONE_PAGE, parameters, { prepare: true }),
    );
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    if (page.length < PAGE_ROWS) return;
    after = last;
  }
}

const KEYS = rowSource("key", { shardId: "smallint", id: "uuid" });

// A join with the keys: with two lists under "any", Postgres before 17 looks up every combination.
// There is no condition on the status: without statistics, as in the first minute of a database,
// Postgres would read all live jobs by their partial index to find a few.
const BY_IDS = `
with key as materialized (select distinct * from ${KEYS.sql})
select ${COLUMNS} from key
join jobs on shard_id = key."shardId" and jobs.id = key.id
`;

/** Those of the given jobs that are live. */
export async function loadJobs(
  database: Database,
  keys: readonly { readonly shardId: number; readonly id: string }[],
): Promise<LiveJob[]> {
  const rows = await database.run("load-jobs", (sql) =>
    sql.unsafe<(LiveJob | OtherJob)[]>(BY_IDS, KEYS.parameters(keys), { prepare: true }),
  );
  return rows.filter(isLive);
}

function isLive(row: LiveJob | OtherJob): row is LiveJob {
  return row.status === "pending" || row.status === "processing";
}

const LIVE_IDS = `
select shard_id as "shardId", string_agg(uuid_send(id), ''::bytea) as ids
from jobs where shard_id = any ($1::text::smallint[]) and status in ('pending', 'processing')
group by shard_id
`;

/** The ids of the live jobs of shards, which the sweep compares with memory. */
export async function loadLiveJobIds(
  database: Database,
  shardIds: readonly number[],
): Promise<ReadonlyMap<number, PackedUuids>> {
  const rows = await database.run("load-live-job-ids", (sql) =>
    sql.unsafe<{ shardId: number; ids: Buffer }[]>(LIVE_IDS, [arrayLiteral(shardIds)], {
      prepare: true,
    }),
  );
  return new Map(rows.map(({ shardId, ids }) => [shardId, packedFromBytes(ids)]));
}
