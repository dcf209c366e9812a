import type { Database } from "../db/database.ts";
import { epochMs, timeFrom } from "../sql/time.ts";

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

/** How a job's result stands when somebody is about to fetch it. */
export type FetchClaim =
  /** The caller may fetch it. `brokeOffBefore`: somebody began to and did not come to an end. */
  | { readonly kind: "claimed"; readonly brokeOffBefore: boolean }
  /** Another node fetches it just now. */
  | { readonly kind: "taken" }
  /** It was fetched. */
  | { readonly kind: "stored"; readonly fetched: FetchedResult };

/** Instead of a note, while somebody fetches it; `event_id` is that of the claim then. */
const FETCHING = `'{"status":"fetching"}'`;
/** A claim that was not renewed for so long belongs to a node that is gone. */
const CLAIM_HELD_S = 20;

const CLAIM = `
with before as materialized (
  select event_id, note, ${epochMs("fetched_at")} as fetched_at_ms
  from fetched_results where shard_id = $1 and job_row_id = $2
),
claimed as (
  insert into fetched_results as held (shard_id, job_row_id, event_id, note, fetched_at)
  values ($1, $2, $3, ${FETCHING}, now())
  on conflict (shard_id, job_row_id) do update set
    event_id = excluded.event_id, fetched_at = excluded.fetched_at
  where held.note = ${FETCHING} and (
    held.event_id = excluded.event_id
    or excluded.fetched_at - held.fetched_at > interval '${CLAIM_HELD_S} s'
  )
  returning held.event_id
)
select exists (select from claimed) as claimed, before.event_id as "eventId", note,
  note = ${FETCHING} as fetching, fetched_at_ms as "fetchedAtMs"
from (select) as always left join before on true
`;

const RENEW = `
update fetched_results set fetched_at = now()
where shard_id = $1 and job_row_id = $2 and event_id = $3 and note = ${FETCHING}
`;

const LET_GO = `
update fetched_results set fetched_at = to_timestamp(0)
where shard_id = $1 and job_row_id = $2 and event_id = $3 and note = ${FETCHING}
`;

interface ClaimRow {
  readonly claimed: boolean;
  /** Of the row before; null when there was none. */
  readonly eventId: string | null;
  readonly note: string | null;
  readonly fetching: boolean | null;
  readonly fetchedAtMs: number | null;
}

const STORE_PART = `
insert into result_parts (shard_id, event_id, number, bytes) values ($1, $2, $3, $4)
on conflict (shard_id, event_id, number) do nothing
`;

const KEEP = `
insert into fetched_results (shard_id, job_row_id, event_id, note, fetched_at)
values ($1, $2, $3, $4, ${timeFrom("$5")})
on conflict (shard_id, job_row_id) do update set
  event_id = excluded.event_id, note = excluded.note, fetched_at = excluded.fetched_at
where fetched_results.note = ${FETCHING}
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

  /**
   * Asks to be the one who fetches a job's result, or says what became of it: two nodes that both
   * watch a job for a moment must not use up its link.
   * @param claimId a UUID of the caller's; asking again with it keeps the claim
   */
  async claim(job: JobKey, claimId: string): Promise<FetchClaim> {
    const [row] = await this.#database.run("claim-result-fetch", (sql) =>
      sql.unsafe<ClaimRow[]>(CLAIM, [job.shardId, job.jobRowId, claimId], { prepare: true }),
    );
    const { claimed = false, eventId = null, note = null, fetchedAtMs = null } = row ?? {};
    if (claimed) {
      return { kind: "claimed", brokeOffBefore: eventId !== null && eventId !== claimId };
    }
    const isStored = row?.fetching === false && eventId !== null && note !== null;
    return isStored && fetchedAtMs !== null
      ? { kind: "stored", fetched: { eventId, note, fetchedAtMs } }
      : { kind: "taken" };
  }

  /** Says that whoever claimed it is still at it. */
  async renewClaim(job: JobKey, claimId: string): Promise<void> {
    await this.#database.run("renew-result-fetch", (sql) =>
      sql.unsafe(RENEW, [job.shardId, job.jobRowId, claimId], { prepare: true }),
    );
  }

  /** Leaves it to others, who learn that it was begun. */
  async letGo(job: JobKey, claimId: string): Promise<void> {
    await this.#database.run("let-go-of-result-fetch", (sql) =>
      sql.unsafe(LET_GO, [job.shardId, job.jobRowId, claimId], { prepare: true }),
    );
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
