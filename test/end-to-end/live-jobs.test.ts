import { expect, test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { useScenes } from "./scene.ts";

const openScene = useScenes({ RINGBACK_LIVE_JOBS_MAX: "3" });

test("a project at its limit is told so, single and in a batch, until a job ends or is left alone", async (context) => {
  const { gateway, upstream, receiver, connection, path, subscribe } = await openScene(context);
  const wish = (job: string) => ({
    job_id: job,
    callback_url: receiver.url(path),
    connection,
  });
  const ofJobs = (...jobs: string[]) => ({ subscriptions: jobs.map((job) => wish(job)) });
  for (const job of ["a", "b", "c", "d"]) upstream.answer(job, pulseAnswer.processing());
  const first = await subscribe({ job_id: "a" });
  const batch = await gateway.api("POST", "/v1/subscriptions/batch", ofJobs("b", "c", "d", "a"));
  expect(batch.body.results.map(({ status }: { status: number }) => status)).toEqual([
    201, 201, 429, 201,
  ]);
  const refused = await gateway.api("POST", "/v1/subscriptions", wish("d"));
  expect(refused.status).toBe(429);
  expect(refused.body).toMatchObject({
    code: "too_many_live_jobs",
    detail: expect.stringContaining("limit of 3 watched jobs"),
  });
  expect((await gateway.api("GET", "/v1/project")).body).toMatchObject({
    live_jobs: 3,
    live_jobs_allowed: 3,
  });
  const shown: Record<string, { used: number | null }> = (await gateway.api("GET", "/v1/project"))
    .body.limits;
  const unknown = Object.entries(shown).filter(([, { used }]) => used === null);
  // Usage per job is in the responses about jobs.
  expect(unknown.map(([name]) => name)).toEqual(["subscriptions_per_job"]);

  upstream.answer("b", pulseAnswer.completed());
  await receiver.takeOne(path);
  await gateway.until("/v1/project", ({ live_jobs: live }) => live === 2);
  expect((await gateway.api("POST", "/v1/subscriptions", wish("d"))).status).toBe(201);

  expect((await gateway.api("PATCH", "/v1/project", { live_jobs_max: 2 })).status).toBe(200);
  expect((await gateway.api("POST", "/v1/subscriptions", wish("e"))).status).toBe(429);
  expect((await gateway.api("DELETE", `/v1/subscriptions/${first.id}`)).status).toBe(204);
});
