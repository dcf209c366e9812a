import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FetchedResults } from "../../../src/store/jobs/fetched-results.ts";
import { openTestDatabase } from "../../support/database.ts";

let opened: Awaited<ReturnType<typeof openTestDatabase>>;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());

/** A job whose result two nodes would fetch. */
function openJob() {
  const results = new FetchedResults(opened.database, 1024);
  const job = { shardId: 7, jobRowId: randomUUID() };
  const [one, other] = [randomUUID(), randomUUID()];
  const age = (seconds: number) =>
    opened.database.run(
      "age",
      (sql) => sql`
        update fetched_results set fetched_at = fetched_at - ${seconds} * interval '1 s'
        where shard_id = 7 and job_row_id = ${job.jobRowId}`,
    );
  return { results, job, one, other, age };
}

const CLAIMED = { kind: "claimed", brokeOffBefore: false };
const TAKEN_OVER = { kind: "claimed", brokeOffBefore: true };
const TAKEN = { kind: "taken" };

describe("a result that is to be fetched", () => {
  test("a result to be fetched is claimed by one node, which may claim it again", async () => {
    const { results, job, one, other } = openJob();
    const claims = await Promise.all([results.claim(job, one), results.claim(job, other)]);
    expect(claims).toEqual(expect.arrayContaining([CLAIMED, TAKEN]));
    const winner = claims[0]?.kind === "claimed" ? one : other;
    expect(await results.claim(job, winner)).toEqual(CLAIMED);
  });

  test("a claim on a result is kept while it is renewed, and ends when that stops", async () => {
    const { results, job, one, other, age } = openJob();
    await results.claim(job, one);
    await age(30);
    await results.renewClaim(job, one);
    expect(await results.claim(job, other)).toEqual(TAKEN);
    await age(30);
    expect(await results.claim(job, other)).toEqual(TAKEN_OVER);
    await results.renewClaim(job, one);
    expect(await results.claim(job, one)).toEqual(TAKEN);
  });

  test("a claim on a result ends at once when a node that stops releases it", async () => {
    const { results, job, one, other } = openJob();
    await results.claim(job, one);
    await results.letGo(job, other);
    expect(await results.claim(job, other)).toEqual(TAKEN);
    await results.letGo(job, one);
    expect(await results.claim(job, other)).toEqual(TAKEN_OVER);
  });

  test("a fetched result is that of the node that stored it first, whichever holds the claim", async () => {
    const { results, job, one, other, age } = openJob();
    await results.claim(job, one);
    await age(30);
    await results.claim(job, other);
    const fetched = { eventId: randomUUID(), note: '{"status":"stored"}', fetchedAtMs: 1_000 };
    await results.keep(job, fetched);
    await results.keep(job, { ...fetched, eventId: randomUUID() });
    await results.renewClaim(job, other);
    expect(await results.claim(job, other)).toEqual({ kind: "stored", fetched });
    await results.forget(job);
    expect(await results.claim(job, other)).toEqual(CLAIMED);
  });
});
