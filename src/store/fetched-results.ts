import type { Database } from "./database.ts";

/** A result that was fetched and stored, ahead of its job's ending. */
export interface FetchedResult {
  /** Under which its parts are stored; the ending is to be recorded under the same. */
  readonly eventId: string;
  /** Raw JSON, for the ending to tell. */
  readonly note: string;
  /** Epoch milliseconds. */
  readonly fetchedAtMs: number;
}

export interface JobKey {
  readonly shardId: number;
  readonly jobRowId: string;
}

export interface FetchedPart {
  readonly shardId: number;
  readonly eventId: string;
  /** 1 for the first. */
  readonly number: number;
  readonly bytes: Buffer;
}

const FIND = `
select event_id as "eventId", note, (extract(epoch from fetched_at) * 1000)::float8 as "fetchedAtMs"
from fetched_results where shard_id = $1 and job_row_id = $2
`;

const STORE_PART = `
insert into result_parts (shard_id, event_id, number, bytes) values ($1, $2, $3, $4)
on conflict (shard_id, event_id, number) do nothing
`;

const KEEP = `
insert into fetched_results (shard_id, job_row_id, event_id, note, fetched_at)
values ($1, $2, $3, $4, to_timestamp($5::float8 / 1000))
on conflict (shard_id, job_row_id) do nothing
`;

const FORGET = `delete from fetched_results where shard_id = $1 and job_row_id = $2`;

const DISCARD_PARTS = `
delete from result_parts where shard_id = $1 and event_id = $2
`;

/** Where results are kept that are fetched ahead of their endings. */
export class FetchedResults {
  /** A larger one is not fetched. */
  readonly bytesMax: number;
  readonly #database: Database;

  constructor(database: Database, bytesMax: number) {
    this.#database = database;
    this.bytesMax = bytesMax;
  }

  /** What was fetched for a job before, by a node that died or let go since, or null. */
  async find(job: JobKey): Promise<FetchedResult | null> {
    const [row] = await this.#database.run("find-fetched-result", (sql) =>
      sql.unsafe<FetchedResult[]>(FIND, [job.shardId, job.jobRowId], { prepare: true }),
    );
    return row ?? null;
  }

  /** Stores a part ahead of the rest; `keep` waits for the disk for all of them. */
  async storePart({ shardId, eventId, number, bytes }: FetchedPart): Promise<void> {
    await this.#database.transaction("store-fetched-part", (sql) =>
      Promise.all([
        sql.unsafe("set local synchronous_commit = off"),
        sql.unsafe(STORE_PART, [shardId, eventId, number, bytes], { prepare: true }),
      ]),
    );
  }

  /** All parts are stored: from here on the result is the job's, whatever becomes of this node. */
  async keep(job: JobKey, fetched: FetchedResult): Promise<void> {
    const { eventId, note, fetchedAtMs } = fetched;
    await this.#database.run("keep-fetched-result", (sql) =>
      sql.unsafe(KEEP, [job.shardId, job.jobRowId, eventId, note, fetchedAtMs], { prepare: true }),
    );
  }

  /** The ending is recorded and says it all. */
  async forget(job: JobKey): Promise<void> {
    await this.#database.run("forget-fetched-result", (sql) =>
      sql.unsafe(FORGET, [job.shardId, job.jobRowId], { prepare: true }),
    );
  }

  /** Removes what came of a result before it broke off. */
  async discardParts({ shardId, eventId }: Omit<FetchedPart, "number" | "bytes">): Promise<void> {
    await this.#database.run("discard-result-parts", (sql) =>
      sql.unsafe(DISCARD_PARTS, [shardId, eventId], { prepare: true }),
    );
  }
}
