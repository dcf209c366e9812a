import { afterAll, beforeAll, expect, it } from "vitest";
import { countProjectStats } from "../../src/store/projects/project-stats.ts";
import { ApiFixture, type Json } from "./api-fixture.ts";

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

it("has counted nothing in the first seconds of a project", async () => {
  expect(await stats()).toMatchObject({ counted_at: null, jobs: { total: 0, estimated: false } });
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

it("says that it estimates where there are more rows than are read", async () => {
  await api.sql("analyze jobs, subscriptions, deliveries");
  await countProjectStats(api.database, 1);
  const { jobs, subscriptions, deliveries } = await stats();
  expect([jobs, subscriptions, deliveries]).toMatchObject([
    { estimated: true },
    { estimated: true },
    { estimated: true },
  ]);
  // What is pending is counted exactly all the same.
  expect(deliveries.by_status.pending).toBe(1);
});
