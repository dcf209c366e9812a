import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jobPageSchema, jobSchema } from "../../src/api/jobs/schema.ts";
import { eventPageSchema } from "../../src/api/http/response-schemas.ts";
import { parsePublicId, publicId, shardOfUuid } from "../../src/core/ids/ids.ts";
import { ApiFixture, CALLBACK_URL, type Json, problemOf } from "./api-fixture.ts";

let api: ApiFixture;

beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

async function listJobs(query: string): Promise<Json> {
  const response = await api.request("GET", `/v1/jobs?${query}`);
  expect(response.status).toBe(200);
  return jobPageSchema.parse(await response.json());
}

async function listEvents(query: string): Promise<Json> {
  const response = await api.request("GET", `/v1/events?${query}`);
  expect(response.status).toBe(200);
  return eventPageSchema.parse(await response.json());
}

describe("GET /v1/jobs", () => {
  it("GET /v1/jobs lists each job once, newest first, however many subscribe to it and however small the pages", async () => {
    const own = api.uuid();
    await api.addProject(own, "pages of jobs");
    await api.addConnection(own);
    const key = await api.addKey(["admin"], { projectId: own });
    const ids: string[] = [];
    for (let number = 0; number < 5; number += 1) {
      ids.unshift(`page-${number}`);
      const body = { job_id: `page-${number}`, callback_url: CALLBACK_URL };
      await api.request("POST", "/v1/subscriptions", { body, key });
    }
    // Later ones for the oldest job leave it in its place.
    for (let number = 0; number < 12; number += 1) {
      const body = { job_id: "page-0", callback_url: CALLBACK_URL };
      await api.request("POST", "/v1/subscriptions", { body, key });
    }
    const found: string[] = [];
    let cursor = "";
    let pages = 0;
    do {
      const response = await api.request("GET", `/v1/jobs?limit=2${cursor}`, { key });
      const page: Json = jobPageSchema.parse(await response.json());
      expect(page.data.length).toBeLessThanOrEqual(2);
      found.push(...page.data.map(({ job_id }: Json) => job_id));
      cursor = page.next_cursor === null ? "" : `&cursor=${page.next_cursor}`;
      pages += 1;
    } while (cursor !== "" && pages < 20);
    expect(found).toEqual(ids);
  });

  it("GET /v1/jobs finds a job by its provider's id, and by its connection", async () => {
    await api.addConnection(api.projectId, "second");
    await api.subscribe({ job_id: "wanted" });
    await api.subscribe({ job_id: "wanted", connection: "second" });
    await api.subscribe({ job_id: "unwanted" });
    const both = await listJobs("job_id=wanted");
    expect(both.data.map(({ connection }: Json) => connection).toSorted()).toEqual([
      "default",
      "second",
    ]);
    const one = await listJobs("job_id=wanted&provider=pulse&connection=second");
    expect(one.data).toMatchObject([{ job_id: "wanted", connection: "second" }]);
    expect((await listJobs("job_id=absent")).data).toEqual([]);
    expect((await listJobs("job_id=wanted&connection=third")).data).toEqual([]);
  });

  it("GET /v1/jobs filters by status, and by time", async () => {
    const { id, job } = await api.subscribe({ job_id: "ends-well" });
    await api.end(id);
    const completed = await listJobs("status=completed&limit=100");
    expect(completed.data.map((one: Json) => one.id)).toContain(job.id);
    expect((await listJobs("status=failed")).data).toEqual([]);
    const future = new Date(api.clock.now() + 3_600_000).toISOString();
    expect((await listJobs(`created_after=${future}`)).data).toEqual([]);
  });

  it("GET /v1/jobs says what each job waits for, also those that other nodes poll", async () => {
    const { job } = await api.subscribe({ job_id: "held-back" });
    const [{ connection_id: connectionId }] = await api.sql(
      `select connection_id from jobs where id = $1`,
      [parsePublicId("job", job.id)],
    );
    expect((await listJobs("job_id=held-back")).data).toMatchObject([
      { waiting_for: "first_poll", not_before: null },
    ]);
    const probeAtMs = api.clock.now() + 20_000;
    api.laneStatuses.set(connectionId, {
      hold: "origin",
      pausedUntilMs: null,
      pauseCause: null,
      breaker: "open",
      probeAtMs,
    });
    expect((await listJobs("job_id=held-back")).data).toMatchObject([
      { waiting_for: "upstream_failing", not_before: new Date(probeAtMs).toISOString() },
    ]);
    api.laneStatuses.clear();
  });
});

describe("GET /v1/jobs/{id}", () => {
  it("GET /v1/jobs/{id} describes a job, with its params and progress as they came", async () => {
    const { id, job } = await api.subscribe({ job_id: "described" });
    await api.sql(`update jobs set progress = '{"done": 1.10}' where id = $1`, [
      parsePublicId("job", job.id),
    ]);
    const text = await (await api.request("GET", `/v1/jobs/${job.id}`)).text();
    expect(text).toContain('"progress":{"done": 1.10}');
    expect(jobSchema.parse(JSON.parse(text))).toMatchObject({
      id: job.id,
      job_id: "described",
      status: "pending",
      subscription_count: 1,
      ended_at: null,
      last_event_id: null,
    });
    const { eventId } = await api.end(id);
    const ended: Json = await (await api.request("GET", `/v1/jobs/${job.id}`)).json();
    expect(ended).toMatchObject({
      status: "completed",
      waiting_for: null,
      not_before: null,
      last_event_id: publicId("event", eventId),
    });
  });

  it("GET /v1/jobs/{id} finds no job of another project, and none that does not exist", async () => {
    const missing = await api.request("GET", `/v1/jobs/${publicId("job", api.uuid())}`);
    expect(await problemOf(missing)).toMatchObject({ code: "not_found" });
  });
});

describe("GET /v1/events", () => {
  it("GET /v1/events lists the events of a job, newest first, with the job's id", async () => {
    const { id, job } = await api.subscribe({ job_id: "eventful" });
    const { eventId } = await api.end(id, { result: '{"pages": 1.0}' });
    const page = await listEvents(`job=${job.id}`);
    expect(page.data).toMatchObject([
      {
        id: publicId("event", eventId),
        job: { id: job.id },
        type: "job.completed",
        data: { job_id: "eventful" },
      },
    ]);
    expect(page.data[0].data.result).toBeUndefined();
    expect(page.data[0].data.result_url).toContain(publicId("event", eventId));
    expect((await listEvents(`job=${job.id}&type=job.failed`)).data).toEqual([]);
  });

  it("GET /v1/events lists the events of the project by type and time, page by page", async () => {
    const ids: string[] = [];
    for (let number = 0; number < 3; number += 1) {
      const { id } = await api.subscribe();
      const { eventId } = await api.end(id, { status: "canceled", error: "stopped" });
      ids.unshift(publicId("event", eventId));
    }
    const first = await listEvents("type=job.canceled&limit=2");
    expect(first.data.map(({ id }: Json) => id)).toEqual(ids.slice(0, 2));
    const second = await listEvents(`type=job.canceled&limit=2&cursor=${first.next_cursor}`);
    expect(second.data.map(({ id }: Json) => id)).toEqual(ids.slice(2));
    const middle = first.data[1].timestamp;
    const before = await listEvents(`type=job.canceled&created_before=${middle}`);
    expect(before.data.map(({ id }: Json) => id)).toEqual(ids.slice(2));
    const after = await listEvents(`type=job.canceled&created_after=${middle}`);
    expect(after.data.map(({ id }: Json) => id)).toEqual(ids.slice(0, 1));
  });

  it("GET /v1/events refuses an id that is not a job's, and finds nothing for a job that does not exist", async () => {
    const response = await api.request("GET", "/v1/events?job=sub_1");
    expect(await problemOf(response)).toMatchObject({
      code: "invalid_query",
      errors: [{ parameter: "job" }],
    });
    expect(
      (await listEvents(`job=${publicId("job", api.uuid(shardOfUuid(api.uuid())))}`)).data,
    ).toEqual([]);
  });
});

describe("POST /v1/jobs/{id}/extend", () => {
  const extend = (id: string, body: object, key?: string) =>
    api.request("POST", `/v1/jobs/${id}/extend`, { body, ...(key !== undefined && { key }) });

  it("POST /v1/jobs/{id}/extend moves the deadline forward only, and tells the job's owner", async () => {
    const { job } = await api.subscribe({ deadline_s: 600 });
    const moved: Json = jobSchema.parse(await (await extend(job.id, { deadline_s: 7200 })).json());
    const before = Date.parse(job.deadline_at);
    expect(Date.parse(moved.deadline_at)).toBeGreaterThanOrEqual(before + 6600 * 1000);
    const uuid = parsePublicId("job", job.id) ?? "";
    expect(api.calls.at(-1)).toEqual(["extended", { shardId: shardOfUuid(uuid), id: uuid }]);
    const kept: Json = await (await extend(job.id, { deadline_s: 60 })).json();
    expect(kept.deadline_at).toBe(moved.deadline_at);
    const read: Json = await (await api.request("GET", `/v1/jobs/${job.id}`)).json();
    expect(read.deadline_at).toBe(moved.deadline_at);
  });

  it("POST /v1/jobs/{id}/extend goes as far as the provider allows, and says how far that is", async () => {
    const { job } = await api.subscribe();
    const provider: Json = await (await api.request("GET", "/v1/providers/pulse")).json();
    const max = provider.deadline_s_max;
    expect((await extend(job.id, { deadline_s: max })).status).toBe(200);
    const problem = await problemOf(await extend(job.id, { deadline_s: max + 1 }));
    expect(problem.errors).toMatchObject([
      { pointer: "/deadline_s", detail: expect.stringContaining(String(max)) },
    ]);
    for (const deadline_s of [0, 1.5, "60", null]) {
      expect((await extend(job.id, { deadline_s })).status).toBe(422);
    }
  });

  it("POST /v1/jobs/{id}/extend refuses a job that has ended or is watched no more, and another project's", async () => {
    const ended = await api.subscribe();
    await api.end(ended.id);
    const deleted = await api.subscribe();
    await api.request("DELETE", `/v1/subscriptions/${deleted.id}`);
    for (const { job } of [ended, deleted]) {
      const problem = await problemOf(await extend(job.id, { deadline_s: 60 }));
      expect(problem.code).toBe("job_ended");
    }
    const live = await api.subscribe();
    const projectId = api.uuid();
    await api.addProject(projectId, "extends another's");
    const stranger = await api.addKey(["admin"], { projectId });
    expect((await extend(live.job.id, { deadline_s: 60 }, stranger)).status).toBe(404);
    const reader = await api.addKey(["subscriptions:read"]);
    expect((await extend(live.job.id, { deadline_s: 60 }, reader)).status).toBe(403);
  });
});
