import { expect, test } from "vitest";
import { RefusedJobs } from "../../src/polling/upstream/refused-jobs.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { answeredJson } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

const JOBS = 20;
const MINUTES = 5;

/** Polls of the healthy jobs in the last minute of five, `refused` of them refused whatever the rate. */
async function pollsBeside(refused: number): Promise<number> {
  const connection = { baseUrl: "https://api.example.com", settings: { poll_interval_s: 1 } };
  const { clock, upstream, requests, add } = startPoller(connection, exampleProvider());
  upstream.answer = (path) =>
    path.startsWith("/jobs/refused")
      ? answeredJson({ error: "quota of this job" }, 429)
      : answeredJson({ status: "running" });
  for (let one = 0; one < JOBS; one += 1) add({ jobId: `well-${one}` });
  for (let one = 0; one < refused; one += 1) add({ jobId: `refused-${one}` });
  await clock.advanceSettling((MINUTES - 1) * 60_000);
  const before = requests.length;
  await clock.advanceSettling(60_000);
  return requests.slice(before).filter(({ path }) => path.startsWith("/jobs/well")).length;
}

test("jobs that are refused whatever the rate slow down no others", async () => {
  expect(await pollsBeside(3)).toBeGreaterThan(0.9 * JOBS * 55);
});

test("a job that is refused for its own sake backs off, says so, and goes on when it is answered", async () => {
  const connection = { baseUrl: "https://api.example.com", settings: { poll_interval_s: 1 } };
  const harness = startPoller(connection, exampleProvider());
  const { clock, poller, upstream, recorded, add } = harness;
  let isRefused = true;
  upstream.answer = (path) => {
    if (path !== "/jobs/a") return answeredJson({ status: "running" });
    return isRefused ? answeredJson({}, 429) : answeredJson({ status: "done", output: 1 });
  };
  const job = add({ jobId: "a" });
  for (let one = 0; one < 5; one += 1) add();
  await clock.advanceSettling(120_000);
  expect(poller.watches.view(job.shardId, job.id)?.lastError).toContain("only this job is refused");
  isRefused = false;
  await clock.advanceSettling(120_000);
  expect(recorded).toMatchObject([{ type: "job.completed" }]);
});

test("refusals count for the job only with answers to others between them", () => {
  const jobs = new RefusedJobs();
  for (let one = 0; one < 10; one += 1) expect(jobs.refused("a")).toBe(false);
  jobs.answered({ id: "b" });
  expect(jobs.refused("a")).toBe(false);
  jobs.answered({ id: "b" });
  expect(jobs.refused("a")).toBe(true);
  jobs.answered({ id: "a" });
  expect(jobs.refused("a")).toBe(false);
});

test("no more than a thousand refused jobs are remembered", () => {
  const jobs = new RefusedJobs();
  const refuse = (id: string): boolean => {
    jobs.answered({ id: "well" });
    return jobs.refused(id);
  };
  refuse("first");
  refuse("first");
  for (let one = 0; one < 1000; one += 1) refuse(`job-${one}`);
  expect(refuse("first")).toBe(false);
});
