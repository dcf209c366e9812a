import { and, eq, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { fetchedResults, resultParts } from "../schema/schema.ts";
import { excluded, type Given, statement, WITHOUT_WAITING_FOR_THE_DISK } from "../sql/statement.ts";

/** A result that was fetched and stored, ahead of its job's ending. */
export type FetchedResult = Readonly<
  Pick<typeof fetchedResults.$inferSelect, "eventId" | "note" | "fetchedAtMs">
>;

export type JobRowKey = Readonly<Pick<typeof fetchedResults.$inferSelect, "shardId" | "jobRowId">>;

type FetchedPart = Readonly<typeof resultParts.$inferSelect>;

/** State of a job's result when a node is about to fetch it. */
export type FetchClaim =
  /** The caller may fetch it. `brokeOffBefore`: an earlier fetch began and did not finish. */
  | { readonly kind: "claimed"; readonly brokeOffBefore: boolean }
  /** Another node is fetching it. */
  | { readonly kind: "taken" }
  /** It was fetched. */
  | { readonly kind: "stored"; readonly fetched: FetchedResult };

/** Stored in place of a note while a node fetches it; `event_id` is then the id of the claim. */
const FETCHING = '{"status":"fetching"}';
/** A claim that was not renewed for this long belongs to a dead node. */
const CLAIM_HELD = sql`interval '20 s'`;

type Claim = JobRowKey & { readonly claimId: string };

const { shardId, jobRowId, eventId, note, fetchedAtMs } = fetchedResults;
const isOf = (given: Given<JobRowKey>) =>
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

const KEEP = statement((orm, given: Given<JobRowKey & FetchedResult>) =>
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

const FORGET = statement((orm, given: Given<JobRowKey>) =>
  orm.delete(fetchedResults).where(isOf(given)),
);

const DISCARD_PARTS = statement((orm, given: Given<Pick<FetchedPart, "shardId" | "eventId">>) =>
  orm
    .delete(resultParts)
    .where(and(eq(resultParts.shardId, given.shardId), eq(resultParts.eventId, given.eventId))),
);

/** Stores results that are fetched ahead of their endings. */
export class FetchedResults {
  /** Larger results are not fetched. */
  readonly bytesMax: number;
  readonly #database: Database;

  constructor(database: Database, bytesMax: number) {
    this.#database = database;
    this.bytesMax = bytesMax;
  }

  /**
   * Claims the fetch of a job's result, or returns its state: two nodes that both watch a job for a
   * moment must not use up its link.
   * @param claimId a UUID chosen by the caller; repeating it keeps the claim
   */
  async claim(job: JobRowKey, claimId: string): Promise<FetchClaim> {
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

  /** Confirms that the claimant is still fetching. */
  async renewClaim(job: JobRowKey, claimId: string): Promise<void> {
    await this.#database.run("renew-result-fetch", (sql) => RENEW(sql, { ...job, claimId }));
  }

  /** Releases the claim; later claimants learn that a fetch was begun. */
  async letGo(job: JobRowKey, claimId: string): Promise<void> {
    await this.#database.run("let-go-of-result-fetch", (sql) => LET_GO(sql, { ...job, claimId }));
  }

  /** Stores a part ahead of the rest; `keep` waits for the disk for all of them. */
  async storePart(part: FetchedPart): Promise<void> {
    await this.#database.transaction(
      "store-fetched-part",
      (sql) => Promise.all([WITHOUT_WAITING_FOR_THE_DISK(sql, {}), STORE_PART(sql, part)]),
      { isSentAtOnce: true },
    );
  }

  /**
   * Records that all parts are stored: from here on the result belongs to the job, even if this
   * node dies.
   */
  async keep(job: JobRowKey, fetched: FetchedResult): Promise<void> {
    await this.#database.run("keep-fetched-result", (sql) => KEEP(sql, { ...job, ...fetched }));
  }

  /** Removes the row, since the ending is recorded and has everything. */
  async forget(job: JobRowKey): Promise<void> {
    await this.#database.run("forget-fetched-result", (sql) => FORGET(sql, job));
  }

  /** Removes the parts of a fetch that broke off. */
  async discardParts(of: Pick<FetchedPart, "shardId" | "eventId">): Promise<void> {
    await this.#database.run("discard-result-parts", (sql) => DISCARD_PARTS(sql, of));
  }
}
