import { expect, test } from "vitest";
import { parsePublicId, shardOfJob } from "../../src/core/ids/ids.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { useScenes } from "./scene.ts";

const openScene = useScenes();

/** The sweep comes to shard `n` in the second `n mod 30` after the start, and writes checkpoints. */
const SWEEP_SECONDS = 30;
const SWEPT_LATE_S = 20;

test("a poll that changed nothing writes no row", async (context) => {
  const { gateway, upstream, connectionId, subscribe, look } = await openScene(context);
  const uuid = parsePublicId("connection", connectionId) ?? "";
  const jobIds = Array.from({ length: 1000 }, (_, number) => `job-${number}`).filter(
    (jobId) => shardOfJob(uuid, jobId) % SWEEP_SECONDS >= SWEPT_LATE_S,
  );
  const kinds = [
    pulseAnswer.status("pending"),
    pulseAnswer.processing(),
    pulseAnswer.processing({ completed: 1, total: 2 }),
    pulseAnswer.status("contemplating"),
    pulseAnswer.error(409, "JOB_004", "Still processing"),
    pulseAnswer.error(404, "JOB_001", "Not yet visible"),
  ];
  const polledIds = jobIds.slice(0, kinds.length);
  for (const [kind, answer] of kinds.entries()) upstream.answer(polledIds[kind] ?? "", answer);
  const subscriptions = await Promise.all(polledIds.map((jobId) => subscribe({ job_id: jobId })));
  await Promise.all(polledIds.map((jobId) => upstream.polled(jobId, 3)));

  const before = await rowVersions(gateway);
  await Promise.all(polledIds.map((jobId) => upstream.polledAgain(jobId, 30)));
  expect(await rowVersions(gateway)).toEqual(before);

  for (const { id } of subscriptions) {
    const { job } = await look(`/v1/subscriptions/${id}`);
    expect(job.poll_count).toBeGreaterThanOrEqual(33);
  }
});

/** Which version of which row there is: every insert, update and delete changes it. */
async function rowVersions({ sql }: TestGateway): Promise<readonly unknown[]> {
  const tables = ["jobs", "subscriptions", "events", "deliveries", "attempts", "mailbox"];
  const versions = [];
  for (const table of tables) {
    versions.push(
      await sql`select ${table} as table, ctid::text, xmin::text, xmax::text from ${sql(table)}`,
    );
  }
  return versions.flat();
}
