import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingCounted } from "../../src/core/project-counts.ts";
import { countProjectStats } from "../../src/store/projects/project-stats.ts";
import {
  forgetProjectMinutes,
  putProjectMinutes,
} from "../../src/store/projects/project-minutes.ts";
import { ApiFixture, type Json, problemOf } from "./api-fixture.ts";

let api: ApiFixture;

beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

async function stats(key?: string): Promise<Json> {
  const response = await api.request("GET", "/v1/stats", key === undefined ? {} : { key });
  expect(response.status).toBe(200);
  return response.json();
}

it("counts at the first request of a new project", async () => {
  expect(await stats()).toMatchObject({
    counted_at: expect.any(String),
    jobs: { total: 0, estimated: false },
  });
});

it("counts what a project has by status, and nothing of another's", async () => {
  for (let number = 0; number < 3; number += 1) await api.subscribe();
  const { id } = await api.subscribe();
  await api.end(id);
  const failed = await api.subscribe();
  const { deliveryId } = await api.end(failed.id, { status: "failed", error: "no" });
  await api.attempt(deliveryId ?? "", {
    status: "exhausted",
    httpStatus: 500,
    errorCode: "server_error_answer",
  });
  const other = api.uuid();
  await api.addProject(other, "another");
  const key = await api.addKey(["subscriptions:read"], { projectId: other });
  await countProjectStats(api.database);
  expect(await stats()).toMatchObject({
    counted_at: expect.any(String),
    jobs: { total: 5, by_status: { pending: 3, completed: 1, failed: 1 }, estimated: false },
    subscriptions: { total: 5, by_status: { active: 3, delivering: 1, exhausted: 1 } },
    deliveries: { total: 2, by_status: { pending: 1, exhausted: 1 }, estimated: false },
  });
  expect(await stats(key)).toMatchObject({
    counted_at: expect.any(String),
    jobs: { total: 0 },
    deliveries: { total: 0 },
  });
});

it("the statistics say that they are estimates where there are more rows than are read", async () => {
  await api.sql("analyze jobs, subscriptions, deliveries");
  await countProjectStats(api.database, 1);
  const { jobs, subscriptions, deliveries } = await stats();
  expect([jobs, subscriptions, deliveries]).toMatchObject([
    { estimated: true },
    { estimated: true },
    { estimated: true },
  ]);
  // The few that somebody has to look at are still counted exactly.
  expect(deliveries.by_status).toMatchObject({ pending: 1, exhausted: 1 });
  expect(jobs.by_status.failed).toBe(1);
  await countProjectStats(api.database, 0);
  expect((await stats()).deliveries.by_status.pending).not.toBe(1);
});

describe("the history of the last day", () => {
  const MINUTE_MS = 60_000;
  const OTHER_NODE = "019b76da-9800-7000-8000-000000000002";

  async function history(query: string, key?: string): Promise<Json> {
    const given = key === undefined ? {} : { key };
    const response = await api.request("GET", `/v1/stats/history${query}`, given);
    expect(response.status).toBe(200);
    return response.json();
  }

  it("adds up what the nodes have stored and what this one has not stored yet, each once", async () => {
    const { minutes, projectId, clock } = api;
    clock.advance(MINUTE_MS - (clock.now() % MINUTE_MS));
    const minuteMs = clock.now() - MINUTE_MS;
    minutes.ended(projectId, true, minuteMs);
    minutes.attempted(projectId, "delivered", 150, minuteMs);
    minutes.attempted(projectId, "pending", null, minuteMs + 1);
    // Stored, but the answer to that has not come yet: it is still in memory.
    await putProjectMinutes(api.database, api.services.nodeId, minutes.take(clock.now(), 10));
    minutes.attempted(projectId, "exhausted", null, clock.now());
    const count = { ...nothingCounted(), endings: 4, completed: 1 };
    const stored = [0, 1, 2].map((step) => {
      return { projectId, minuteMs: minuteMs - step * 15 * MINUTE_MS, count };
    });
    await putProjectMinutes(api.database, OTHER_NODE, stored);
    await putProjectMinutes(api.database, OTHER_NODE, stored);
    const answer = await history("?minutes=30&step_minutes=15");
    expect(answer).toMatchObject({ object: "stats_history", step_s: 900 });
    expect(answer.points).toHaveLength(2);
    expect(Date.parse(answer.points[1].at) - Date.parse(answer.from)).toBe(900_000);
    expect(answer.total).toEqual({
      endings: 9,
      completed: 3,
      delivered: 1,
      failed_attempts: 2,
      exhausted: 1,
      gone: 0,
      ending_to_callback_p50_ms: 150,
      ending_to_callback_p95_ms: 195,
      success_rate: 0.5,
    });
    const sum = answer.points.reduce((total: number, { endings }: Json) => total + endings, 0);
    expect(sum).toBe(9);
    const minute = await history("?minutes=1&step_minutes=1");
    expect(minute.total).toMatchObject({ endings: 0, exhausted: 1 });
  });

  it("the history is a project's own, and covers a day unless it is asked for less", async () => {
    const other = api.uuid();
    await api.addProject(other, "third");
    const key = await api.addKey(["subscriptions:read"], { projectId: other });
    const answer = await history("", key);
    expect(answer.total).toMatchObject({ endings: 0, success_rate: null });
    expect(answer.points).toHaveLength(96);
    for (const query of ["?minutes=0", "?minutes=1441", "?step_minutes=61", "?days=1"]) {
      const refused = await api.request("GET", `/v1/stats/history${query}`);
      expect(await problemOf(refused)).toMatchObject({ code: "invalid_query" });
    }
  });

  it("the history is kept for a day", async () => {
    const projectId = api.uuid();
    const rows = async (): Promise<Json[]> =>
      api.sql("select from project_minutes where project_id = $1", [projectId]);
    const [{ now }] = await api.sql("select (extract(epoch from now()) * 1000)::float8 as now");
    const count = nothingCounted();
    await putProjectMinutes(api.database, OTHER_NODE, [
      { projectId, minuteMs: now - 24 * 3_600_000 - MINUTE_MS, count },
      { projectId, minuteMs: now - 23 * 3_600_000, count },
    ]);
    await forgetProjectMinutes(api.database);
    expect(await rows()).toHaveLength(1);
    expect(await forgetProjectMinutes(api.database)).toBe(0);
  });
});

it("counts and lists live jobs that are near their deadline", async () => {
  const scene = await ApiFixture.open();
  try {
    const near = await scene.subscribe({ job_id: "near" });
    await scene.subscribe({ job_id: "far" });
    const ended = await scene.subscribe({ job_id: "ended" });
    await scene.end(ended.id);
    // The statement that counts has the database's time, and a request the fixture's.
    const nowMs = Date.now();
    scene.clock.advance(nowMs - scene.clock.now());
    await scene.sql(`update jobs set accepted_at = now() - interval '90 minutes',
      deadline_at = now() + case job_id when 'far' then interval '1 day' else interval '9 minutes' end`);
    await countProjectStats(scene.database);
    const read = async (path: string): Promise<Json> => (await scene.request("GET", path)).json();
    expect(await read("/v1/stats")).toMatchObject({ jobs_near_deadline: 1, jobs: { total: 3 } });
    const listed = await read("/v1/jobs?near_deadline=true");
    expect(listed.data).toMatchObject([{ id: near.job.id, job_id: "near" }]);
  } finally {
    await scene.close();
  }
});

it("lists the nodes with their leases and shards, and tells no address", async () => {
  const id = api.services.nodeId;
  await api.sql(
    `insert into nodes (id, address, started_at, lease_expires_at, live_jobs)
     values ($1, 'http://10.1.2.3:8080', now() - interval '1 hour', now() + interval '10 s', $2::text::jsonb),
       ($3, 'http://10.1.2.4:8080', now(), now() - interval '1 s', '{}')`,
    [id, JSON.stringify({ [api.projectId]: 12 }), api.uuid()],
  );
  await api.sql("update shards set owner_id = $1 where shard_id < 200", [id]);
  const response = await api.request("GET", "/v1/nodes");
  const text = await response.text();
  expect(text).not.toContain("10.1.2");
  expect(JSON.parse(text)).toMatchObject({
    object: "list",
    data: [
      { object: "node", id, answering: true, is_live: true, shards: 200, live_jobs: 12 },
      { answering: false, is_live: false, shards: 0, live_jobs: 0 },
    ],
  });
  const key = await api.addKey(["subscriptions:write"]);
  expect((await api.request("GET", "/v1/nodes", { key })).status).toBe(403);
});
