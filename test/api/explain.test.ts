import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jobExplanationSchema } from "../../src/api/jobs/schema.ts";
import { parsePublicId, publicId } from "../../src/core/ids/ids.ts";
import { LANE_FREE } from "../../src/core/waiting/lane-status.ts";
import { ApiFixture, type Json, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
const ORIGIN = "https://app.example.com";

beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

async function explained(id: string): Promise<Json> {
  const response = await api.request("GET", `/v1/jobs/${id}/explain`);
  expect(response.status).toBe(200);
  return jobExplanationSchema.parse(await response.json());
}

describe("reasons that only a busy gateway shows", () => {
  it("an explanation names the rate limit of the origin, or the turn, that a callback waits for", async () => {
    const { id, job } = await api.subscribe();
    await api.end(id);
    api.laneStatuses.set(ORIGIN, { ...LANE_FREE, hold: "rate" });
    expect(await explained(job.id)).toMatchObject({
      reason: "callback_rate_limit",
      subscriptions: [{ waiting_for: "rate_limit", deliveries: [{ waiting_for: "rate_limit" }] }],
    });
    api.laneStatuses.set(ORIGIN, { ...LANE_FREE, hold: "concurrency" });
    expect(await explained(job.id)).toMatchObject({ reason: "callback_waits_for_turn" });
    api.laneStatuses.clear();
  });

  it("an explanation says that the connection of the job was deleted", async () => {
    const { job } = await api.subscribe();
    const { factsOf } = api.services.connections;
    Object.assign(api.services.connections, {
      factsOf: () => ({ state: "unusable", probeAtMs: null }),
    });
    expect(await explained(job.id)).toMatchObject({ reason: "connection_unusable" });
    Object.assign(api.services.connections, { factsOf });
  });

  it("an explanation says that a subscription among very many has not had its turn", async () => {
    const { id, job } = await api.subscribe();
    const { eventId } = await api.end(id);
    await api.sql(`delete from deliveries where event_id = $1`, [eventId]);
    await api.sql(
      `insert into fan_outs (shard_id, job_row_id, event_type, project_id, event_id, event_bit,
         occurred_at, position_id, began_at_id)
       select shard_id, job_row_id, type, project_id, id, 1, now(),
         '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000'
       from events where id = $1`,
      [eventId],
    );
    expect(await explained(job.id)).toMatchObject({
      reason: "fan_out",
      subscriptions: [{ waiting_for: "fan_out" }],
    });
    await api.sql(`delete from fan_outs where event_id = $1`, [eventId]);
  });
});

describe("when the node that owns the job does not answer", () => {
  it("an explanation uses the last checkpoint, with its time, when the owner of the job does not answer", async () => {
    const { job } = await api.subscribe();
    const polledAt = "2026-01-01T00:00:00.000Z";
    await api.sql(
      `update jobs set poll_count = 7, last_polled_at = $2::timestamptz, last_outcome = 'upstream_fault',
         last_error = 'HTTP 503' where id = $1`,
      [parsePublicId("job", job.id), polledAt],
    );
    expect(await explained(job.id)).toMatchObject({
      reason: "upstream_failing",
      facts_from: "database",
      as_of: polledAt,
      upstream: { last_answer: { at: polledAt, http_status: null, outcome: "upstream_fault" } },
    });
  });
});

describe("a job that was never accepted", () => {
  it("a job that was never accepted is not found, and the answer tells where to look", async () => {
    const response = await api.request("GET", "/v1/jobs/explain?job_id=never-seen&provider=pulse");
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ code: "not_found" });
    expect(problem.detail).toContain("POST /v1/subscriptions");
  });

  it("a job that was never accepted may have been refused because of a limit that the project has come to", async () => {
    api.liveJobCount = 1000;
    const response = await api.request("GET", "/v1/jobs/explain?job_id=never-seen");
    expect((await problemOf(response)).detail).toContain("live_jobs (1000)");
    api.liveJobCount = 0;
  });

  it("a job that was never accepted has no explanation in another project, by its id or by its name", async () => {
    const { job, job_id: jobId } = await api.subscribe();
    const other = api.uuid();
    await api.addProject(other, "stranger to explain");
    const key = await api.addKey(["subscriptions:read"], { projectId: other });
    const paths = [`/v1/jobs/${job.id}/explain`, `/v1/jobs/explain?job_id=${jobId}`];
    for (const path of paths) {
      expect((await api.request("GET", path, { key })).status).toBe(404);
    }
  });
});

describe("callback origins", () => {
  it("callback origins are seen and tried by their own project only", async () => {
    const origin = "https://tried.example.com";
    const { id } = await api.subscribe({ callback_url: `${origin}/hook` });
    const { deliveryId } = await api.end(id);
    await api.attempt(deliveryId ?? "", {
      status: "pending",
      httpStatus: 503,
      errorCode: "server_error_answer",
      nextAttemptAtMs: api.clock.now() + 600_000,
    });
    const report = {
      projectId: api.projectId,
      kind: "origin",
      name: origin,
      id: api.uuid(),
      nodeId: api.uuid(),
      shardId: 4,
      failure: null,
      perSecond: 4,
      ...LANE_FREE,
      breaker: "open",
      probeAtMs: api.clock.now() + 30_000,
    } as const;
    const reports = [report, { ...report, id: api.uuid(), nodeId: api.uuid(), perSecond: 2.5 }];
    api.reports = reports;
    const list = async (key?: string): Promise<Json> =>
      (await api.request("GET", "/v1/callback-origins", key === undefined ? {} : { key })).json();
    expect((await list()).data).toContainEqual(
      expect.objectContaining({
        origin,
        state: "failing",
        breaker: "open",
        next_probe_at: new Date(report.probeAtMs).toISOString(),
        // The lowest that any node has learned.
        effective_requests_per_second: 2.5,
        last_error: expect.objectContaining({
          code: "server_error_answer",
          message: "HTTP 503",
        }),
      }),
    );
    const other = api.uuid();
    await api.addProject(other, "stranger to origins");
    const key = await api.addKey(["admin"], { projectId: other });
    expect((await list(key)).data).toEqual([]);
    const body = { origin };
    const refused = await api.request("POST", "/v1/callback-origins/try", { body, key });
    expect(await problemOf(refused)).toMatchObject({ code: "not_found" });

    const tried = await api.request("POST", "/v1/callback-origins/try", { body });
    expect(tried.status).toBe(202);
    expect(api.calls).toContainEqual(["tryOrigin", { projectId: api.projectId, origin, reports }]);
    const path = `/v1/deliveries/${publicId("delivery", deliveryId ?? "")}`;
    const delivery: Json = await (await api.request("GET", path)).json();
    expect(Date.parse(delivery.next_attempt_at)).toBeLessThanOrEqual(api.clock.now());
    api.reports = [];
  });

  it("callback origins are listed page by page in the order of their names", async () => {
    const names = ["https://c.example", "https://a.example", "https://b.example:8443"];
    const own = api.uuid();
    await api.addProject(own, "many origins");
    await api.addConnection(own);
    const key = await api.addKey(["admin"], { projectId: own });
    for (const name of names) {
      const body = { job_id: `to-${name}`, callback_url: `${name}/hook` };
      const response = await api.request("POST", "/v1/subscriptions", { body, key });
      await api.end(((await response.json()) as Json).id);
    }
    const found: string[] = [];
    let cursor = "";
    do {
      const response = await api.request("GET", `/v1/callback-origins?limit=2${cursor}`, { key });
      const page: Json = await response.json();
      found.push(...page.data.map(({ origin }: Json) => origin));
      cursor = page.next_cursor === null ? "" : `&cursor=${page.next_cursor}`;
    } while (cursor !== "" && found.length < 10);
    expect(found).toEqual(["https://a.example", "https://b.example:8443", "https://c.example"]);
    const mixed = await api.request("GET", "/v1/callback-origins?cursor=AAAA", { key });
    expect(await problemOf(mixed)).toMatchObject({ code: "invalid_cursor" });
  });
});
