import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { projectSchema } from "../../src/api/projects/schema.ts";
import { publicId } from "../../src/core/ids/ids.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(() => api.sql(`update projects set settings = '{}', limits = '{}'`));

async function read(): Promise<Json> {
  const response = await api.request("GET", "/v1/project");
  expect(response.status).toBe(200);
  return projectSchema.parse(await response.json());
}

async function change(body: object): Promise<Json> {
  const response = await api.request("PATCH", "/v1/project", { body });
  if (response.status !== 200) return problemOf(response);
  return projectSchema.parse(await response.json());
}

describe("the project of an API key", () => {
  it("the project of an API key is shown with its name, its live jobs and what it may do", async () => {
    api.liveJobCount = 17;
    expect(await read()).toMatchObject({
      id: publicId("project", api.projectId),
      name: "default",
      live_jobs: 17,
      live_jobs_max: null,
      live_jobs_allowed: 1000,
    });
  });

  it("the project of an API key is another one for a key of another project", async () => {
    const projectId = api.uuid();
    await api.addProject(projectId, "another");
    const key = await api.addKey(["admin"], { projectId });
    const response = await api.request("GET", "/v1/project", { key });
    expect(await response.json()).toMatchObject({ name: "another" });
  });

  it("the project of an API key is for admin keys only", async () => {
    const key = await api.addKey(["subscriptions:read", "subscriptions:write"]);
    for (const method of ["GET", "PATCH"]) {
      const body = method === "PATCH" ? {} : undefined;
      const response = await api.request(method, "/v1/project", { key, body });
      expect(await problemOf(response)).toMatchObject({ code: "insufficient_scope" });
    }
  });
});

describe("a change of a project's settings", () => {
  it("a change of a project's settings holds until it is taken back with null; what is left out stays", async () => {
    api.calls.length = 0;
    expect(await change({ live_jobs_max: 70 })).toMatchObject({ live_jobs_max: 70 });
    expect(api.calls).toEqual([["projectChanged"]]);
    expect(await change({})).toMatchObject({ live_jobs_max: 70 });
    expect(await read()).toMatchObject({ live_jobs_max: 70, live_jobs_allowed: 1000 });
    expect(await change({ live_jobs_max: null })).toMatchObject({ live_jobs_max: null });
  });

  it("a change of a project's settings says how its callbacks are delivered", async () => {
    const delivery = {
      retry_schedule_s: [1, 60],
      signatures: ["v1", "v1a"],
      callback_concurrency: 4,
      callback_requests_per_second: 2.5,
    };
    expect(await change(delivery)).toMatchObject(delivery);
    expect(await read()).toMatchObject(delivery);
    expect(await change({ retry_schedule_s: null, signatures: null })).toMatchObject({
      retry_schedule_s: null,
      signatures: null,
      callback_concurrency: 4,
    });
  });

  it("a change of a project's settings is refused above what the operator allows", async () => {
    await api.sql(`update projects set limits = '{"live_jobs": 50}'`);
    expect(await change({ live_jobs_max: 51 })).toMatchObject({
      code: "validation_failed",
      errors: [{ pointer: "/live_jobs_max", detail: expect.stringContaining("at most 50") }],
    });
    expect(await change({ live_jobs_max: 50 })).toMatchObject({ live_jobs_max: 50 });
  });

  it("a project's operations URL receives its operational events, if it may be a callback URL", async () => {
    const told = { operations_url: "https://app.example.com/operations" };
    expect(await change(told)).toMatchObject(told);
    expect(await change({ live_jobs_max: null })).toMatchObject(told);
    const response = await api.request("PATCH", "/v1/project", {
      body: { operations_url: "http://app.example.com/" },
    });
    expect(response.status).toBe(422);
    expect(await problemOf(response)).toMatchObject({
      code: "callback_url_refused",
      errors: [{ pointer: "/operations_url" }],
    });
    expect(await change({ operations_url: null })).toMatchObject({ operations_url: null });
  });

  it.each([
    [{ live_jobs_max: -1 }, "/live_jobs_max"],
    [{ live_jobs_max: 1.5 }, "/live_jobs_max"],
    [{ retry_schedule_s: [5, 0] }, "/retry_schedule_s/1"],
    [{ retry_schedule_s: Array(31).fill(1) }, "/retry_schedule_s"],
    [{ signatures: [] }, "/signatures"],
    [{ callback_concurrency: 0 }, "/callback_concurrency"],
    [{ callback_requests_per_second: 0 }, "/callback_requests_per_second"],
    [{ callback_requests_per_second: 0.009 }, "/callback_requests_per_second"],
    [{ live_jobs_allowed: 10_000 }, "/live_jobs_allowed"],
    [{ name: "other" }, "/name"],
  ])(
    "a change of the project's settings to %j is refused with its place",
    async (body, pointer) => {
      expect(await change(body)).toMatchObject({
        code: "validation_failed",
        errors: [{ pointer }],
      });
    },
  );
});
