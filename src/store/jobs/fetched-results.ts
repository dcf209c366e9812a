import { and, eq, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { fetchedResults, resultParts } from "../schema/result-parts.ts";
import { WITHOUT_WAITING_FOR_THE_DISK } from "../sql/synchronous-commit.ts";
import { excluded, type Given, statement } from "../sql/statement.ts";

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
const FETCHING = '{"status":"fetching"}';
/** A claim that was not renewed for so long belongs to a node that is gone. */
const CLAIM_HELD = sql`interval '20 s'`;

type Claim = JobKey & { readonly claimId: string };

const { shardId, jobRowId, eventId, note, fetchedAtMs } = fetchedResults;
const isOf = (given: Given<JobKey>) =>
  and(eq(shardId, given.shardId), eq(jobRowId, given.jobRowId));

const CLAIM = statement((orm, given: Given<Claim>) => {
  const before = orm
    .$with("before")
    .as(orm.select({ eventId, note, fetchedAtMs }).from(fetchedResults).where(isOf(given)));
  const claimed = orm.$with("claimed").as(
    orm
      .insert(fetchedResults)
      .values({
        shardId: given.shardId,
        jobRowId: given.jobRowId,
        eventId: given.claimId,
        note: FETCHING,
        fetchedAtMs: sql`now()`,
      })
      .onConflictDoUpdate({
        target: [shardId, jobRowId],
        set: { eventId: excluded(eventId), fetchedAtMs: excluded(fetchedAtMs) },
        setWhere: sql`${eq(note, FETCHING)} and (
          ${eq(eventId, excluded(eventId))}
          or ${excluded(fetchedAtMs)} - ${fetchedAtMs} > ${CLAIM_HELD}
        )`,
      })
      .returning({ eventId }),
  );
  return orm
    .with(before, claimed)
    .select({
      claimed: sql<boolean>`exists (select from ${claimed})`,
      eventId: before.eventId,
      note: before.note,
      fetchedAtMs: before.fetchedAtMs,
    })
    .from(sql`(select) as always`)
    .leftJoin(before, sql`true`);
});

const isClaimed = (given: Given<Claim>) =>
  and(isOf(given), eq(eventId, given.claimId), eq(note, FETCHING));

const RENEW = statement((orm, given: Given<Claim>) =>
  orm
    .update(fetchedResults)
    .set({ fetchedAtMs: sql`now()` })
    .where(isClaimed(given)),
);

const LET_GO = statement((orm, given: Given<Claim>) =>
  orm.update(fetchedResults).set({ fetchedAtMs: 0 }).where(isClaimed(given)),
);

const STORE_PART = statement((orm, given: Given<FetchedPart>) =>
  orm
    .insert(resultParts)
    .values({
      shardId: given.shardId,
      eventId: given.eventId,
      number: given.number,
      bytes: given.bytes,
    })
    .onConflictDoNothing({
      target: [resultParts.shardId, resultParts.eventId, resultParts.number],
    }),
);

const KEEP = statement((orm, given: Given<JobKey & FetchedResult>) =>
  orm
    .insert(fetchedResults)
    .values({
      shardId: given.shardId,
      jobRowId: given.jobRowId,
      eventId: given.eventId,
      note: given.note,
      fetchedAtMs: given.fetchedAtMs,
    })
    .onConflictDoUpdate({
      target: [shardId, jobRowId],
      set: {
        eventId: excluded(eventId),
        note: excluded(note),
        fetchedAtMs: excluded(fetchedAtMs),
      },
      setWhere: eq(note, FETCHING),
    }),
);

const FORGET = statement((orm, given: Given<JobKey>) =>
  orm.delete(fetchedResults).where(isOf(given)),
);

const DISCARD_PARTS = statement((orm, given: Given<Pick<FetchedPart, "shardId" | "eventId">>) =>
  orm
    .delete(resultParts)
    .where(and(eq(resultParts.shardId, given.shardId), eq(resultParts.eventId, given.eventId))),
);

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
      CLAIM(sql, { ...job, claimId }),
    );
    const { claimed = false, eventId = null, note = null, fetchedAtMs = null } = row ?? {};
    if (claimed) {
      return { kind: "claimed", brokeOffBefore: eventId !== null && eventId !== claimId };
    }
    const isStored = note !== FETCHING && eventId !== null && note !== null;
    return isStored && fetchedAtMs !== null
      ? { kind: "stored", fetched: { eventId, note, fetchedAtMs } }
      : { kind: "taken" };
  }

  /** Says that whoever claimed it is still at it. */
  async renewClaim(job: JobKey, claimId: string): Promise<void> {
    await this.#database.run("renew-result-fetch", (sql) => RENEW(sql, { ...job, claimId }));
  }

  /** Leaves it to others, who learn that it was begun. */
  async letGo(job: JobKey, claimId: string): Promise<void> {
    await this.#database.run("let-go-of-result-fetch", (sql) => LET_GO(sql, { ...job, claimId }));
  }

  /** Stores a part ahead of the rest; `keep` waits for the disk for all of them. */
  async storePart(part: FetchedPart): Promise<void> {
    await this.#database.transaction("store-fetched-part", (sql) =>
      Promise.all([WITHOUT_WAITING_FOR_THE_DISK(sql, {}), STORE_PART(sql, part)]),
    );
  }

  /** All parts are stored: from here on the result is the job's, whatever becomes of this node. */
  async keep(job: JobKey, fetched: FetchedResult): Promise<void> {
    await this.#database.run("keep-fetched-result", (sql) => KEEP(sql, { ...job, ...fetched }));
  }

  /** The ending is recorded and says it all. */
  async forget(job: JobKey): Promise<void> {
    await this.#database.run("forget-fetched-result", (sql) => FORGET(sql, job));
  }

  /** Removes what came of a result before it broke off. */
  async discardParts(of: Pick<FetchedPart, "shardId" | "eventId">): Promise<void> {
    await this.#database.run("discard-result-parts", (sql) => DISCARD_PARTS(sql, of));
  }
}
