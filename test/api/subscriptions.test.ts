import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { deliveryPageSchema } from "../../src/api/http/response-schemas.ts";
import { subscriptionPageSchema, subscriptionSchema } from "../../src/api/subscriptions/schema.ts";
import { parsePublicId, publicId, shardOfUuid } from "../../src/core/ids/ids.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(() => {
  api.calls.length = 0;
});

async function read(id: string): Promise<Json> {
  const response = await api.request("GET", `/v1/subscriptions/${id}`);
  expect(response.status).toBe(200);
  return subscriptionSchema.parse(await response.json());
}

async function jobRowOf(id: string): Promise<string> {
  const uuid = parsePublicId("subscription", id) ?? "";
  const [row] = await api.sql(
    `select job_row_id from subscriptions where shard_id = $1 and id = $2`,
    [shardOfUuid(uuid), uuid],
  );
  return row.job_row_id;
}

async function jobStatusOf(id: string): Promise<string> {
  const [row] = await api.sql(`select status from jobs where id = $1`, [await jobRowOf(id)]);
  return row.status;
}

describe("GET /v1/subscriptions/{id}", () => {
  it("GET /v1/subscriptions/{id} describes a watched job from memory, with its progress as the upstream wrote it", async () => {
    const { id } = await api.subscribe();
    api.liveJobs.set(await jobRowOf(id), {
      status: "processing",
      progress: '{"done": 1.0}',
      pollCount: 4,
      lastPolledAtMs: 1_767_225_600_000,
      nextPollAtMs: 1_767_225_601_500,
      lastError: "slow",
      lastOutcome: "running",
      lastHttpStatus: 200,
      wait: { for: "job_running", notBeforeMs: 1_767_225_601_500 },
    });
    const response = await api.request("GET", `/v1/subscriptions/${id}`);
    const text = await response.text();
    expect(text).toContain('"progress":{"done": 1.0}');
    expect(JSON.parse(text).job).toMatchObject({
      status: "processing",
      poll_count: 4,
      last_polled_at: "2026-01-01T00:00:00.000Z",
      next_poll_at: "2026-01-01T00:00:01.500Z",
      last_error: "slow",
      waiting_for: "job_running",
      not_before: "2026-01-01T00:00:01.500Z",
    });
  });

  it.each([
    ["delivered", {}],
    ["exhausted", { status: "exhausted", httpStatus: 500, errorCode: "server_error_answer" }],
    ["gone", { status: "gone", httpStatus: 410, errorCode: "gone" }],
  ] as const)("GET /v1/subscriptions/{id} shows delivering, then %s", async (status, attempt) => {
    const { id } = await api.subscribe();
    const { deliveryId } = await api.end(id);
    expect(await read(id)).toMatchObject({ status: "delivering", job: { poll_count: 3 } });
    await api.attempt(deliveryId ?? "", attempt);
    expect(await read(id)).toMatchObject({ status });
  });

  it("GET /v1/subscriptions/{id} shows delivered when its subscription did not want the ending", async () => {
    const { id } = await api.subscribe({ events: ["job.completed"] });
    await api.end(id, { status: "failed", error: "broken" });
    expect(await read(id)).toMatchObject({ status: "delivered", job: { status: "failed" } });
  });

  it("GET /v1/subscriptions/{id} is 404 for an unknown, a malformed and another kind of id", async () => {
    for (const id of [
      publicId("subscription", api.uuid()),
      publicId("delivery", api.uuid()),
      "sub_1",
      "%00",
      "sub_%ff",
    ]) {
      const response = await api.request("GET", `/v1/subscriptions/${id}`);
      expect(response.status).toBe(404);
      expect(await problemOf(response)).toMatchObject({ code: "not_found" });
    }
  });
});

describe("GET /v1/subscriptions", () => {
  async function list(query: string): Promise<Json> {
    const response = await api.request("GET", `/v1/subscriptions?${query}`);
    expect(response.status).toBe(200);
    return subscriptionPageSchema.parse(await response.json());
  }

  it("filters by each of its parameters", async () => {
    await api.addConnection(api.projectId, "other");
    const early = await api.subscribe({ job_id: "filter-1" });
    const late = await api.subscribe({ job_id: "filter-2", connection: "other" });
    const both = await api.subscribe({ job_id: "filter-1", connection: "other" });
    await api.end(late.id);
    const ids = async (query: string) => (await list(query)).data.map((one: Json) => one.id);
    expect(await ids("job_id=filter-1")).toEqual([both.id, early.id]);
    expect(await ids("job_id=filter-1&connection=default")).toEqual([early.id]);
    expect(await ids("job_id=filter-1&provider=pulse")).toEqual([both.id, early.id]);
    expect(await ids("job_id=filter-1&provider=sandbox")).toEqual([]);
    expect(await ids("job_id=filter-2&status=delivering")).toEqual([late.id]);
    expect(await ids("job_id=filter-2&status=active")).toEqual([]);
    expect(await ids("job_id=absent")).toEqual([]);
    expect(await ids(`created_after=${late.created_at}`)).toEqual([both.id]);
    expect(await ids(`job_id=filter-1&created_after=${early.created_at}`)).toEqual([both.id]);
    expect(
      await ids(`created_after=${encodeURIComponent("2026-01-01T01:00:00+01:00")}&limit=3`),
    ).toHaveLength(3);
  });
});

describe("DELETE /v1/subscriptions/{id}", () => {
  const remove = (id: string, query = "") =>
    api.request("DELETE", `/v1/subscriptions/${id}${query}`);

  it("DELETE /v1/subscriptions/{id} closes the subscription and drops a job that no other subscription waits for", async () => {
    const { id } = await api.subscribe();
    const response = await remove(id);
    expect(response.status).toBe(204);
    expect(await response.text()).toBe("");
    expect(await read(id)).toMatchObject({ status: "canceled", job: { status: "unwatched" } });
    expect(api.calls.at(-1)).toEqual([
      "unsubscribed",
      {
        shardId: expect.any(Number),
        jobRowId: await jobRowOf(id),
        subscriptionId: parsePublicId("subscription", id),
        jobUnwatched: true,
        cancelJob: false,
      },
    ]);
  });

  it("DELETE /v1/subscriptions/{id} keeps watching the job for its other subscriptions", async () => {
    const first = await api.subscribe({ job_id: "two" });
    const second = await api.subscribe({ job_id: "two" });
    await remove(first.id);
    expect(api.calls.at(-1)).toMatchObject(["unsubscribed", { jobUnwatched: false }]);
    expect(await jobStatusOf(second.id)).toBe("pending");
    await remove(second.id);
    expect(await jobStatusOf(second.id)).toBe("unwatched");
  });

  it("DELETE /v1/subscriptions/{id} asks to cancel the job when told to, but not one that has ended", async () => {
    const running = await api.subscribe();
    await remove(running.id, "?cancel_job=true");
    expect(api.calls.at(-1)).toMatchObject(["unsubscribed", { cancelJob: true }]);
    const ended = await api.subscribe();
    await api.end(ended.id);
    await remove(ended.id, "?cancel_job=true");
    expect(api.calls.at(-1)).toMatchObject([
      "unsubscribed",
      { cancelJob: false, jobUnwatched: false },
    ]);
  });

  it("DELETE /v1/subscriptions/{id} cancels what is still to be delivered", async () => {
    const { id } = await api.subscribe();
    const { deliveryId } = await api.end(id);
    await remove(id);
    expect(await read(id)).toMatchObject({ status: "canceled", job: { status: "completed" } });
    const path = `/v1/deliveries/${publicId("delivery", deliveryId ?? "")}`;
    expect(await (await api.request("GET", path)).json()).toMatchObject({
      status: "canceled",
      next_attempt_at: null,
    });
  });

  it("DELETE /v1/subscriptions/{id} takes nothing back that was delivered", async () => {
    const { id } = await api.subscribe();
    const { deliveryId } = await api.end(id);
    await api.attempt(deliveryId ?? "", {});
    expect((await remove(id)).status).toBe(204);
    expect(await read(id)).toMatchObject({ status: "delivered" });
  });

  it("DELETE /v1/subscriptions/{id} may be repeated", async () => {
    const { id } = await api.subscribe();
    expect((await remove(id)).status).toBe(204);
    expect((await remove(id)).status).toBe(204);
    expect(await read(id)).toMatchObject({ status: "canceled" });
  });

  it("DELETE /v1/subscriptions/{id} leaves the job to a subscription that is accepted at the same moment", async () => {
    for (let round = 0; round < 10; round += 1) {
      const job = { job_id: `race-${round}` };
      const { id } = await api.subscribe(job);
      const [, accepted] = await Promise.all([remove(id), api.subscribe(job)]);
      expect(await jobStatusOf(accepted.id)).toBe("pending");
    }
  });

  it("DELETE /v1/subscriptions/{id} is 404 for an unknown id and refuses an unknown parameter", async () => {
    expect((await remove(publicId("subscription", api.uuid()))).status).toBe(404);
    const { id } = await api.subscribe();
    const response = await remove(id, "?cancel=true");
    expect(response.status).toBe(400);
    expect((await problemOf(response)).errors).toMatchObject([{ parameter: "cancel" }]);
    expect(await read(id)).toMatchObject({ status: "active" });
  });
});

describe("POST /v1/subscriptions/{id}/poll", () => {
  const poll = (id: string) => api.request("POST", `/v1/subscriptions/${id}/poll`);

  it("POST /v1/subscriptions/{id}/poll asks for a poll and answers 202 with the subscription", async () => {
    const { warnings: _, ...subscription } = await api.subscribe();
    const response = await poll(subscription.id);
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual(subscription);
    const jobRowId = await jobRowOf(subscription.id);
    expect(api.calls.at(-1)).toEqual(["pollNow", expect.any(Number), jobRowId]);
  });

  it("polls nothing when the job has ended", async () => {
    const { id } = await api.subscribe();
    await api.end(id);
    api.calls.length = 0;
    expect((await poll(id)).status).toBe(202);
    expect(api.calls).toEqual([]);
  });

  it("POST /v1/subscriptions/{id}/poll is 409 for a deleted subscription and 404 for an unknown one", async () => {
    const { id } = await api.subscribe();
    await api.request("DELETE", `/v1/subscriptions/${id}`);
    const response = await poll(id);
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({ code: "subscription_closed" });
    expect((await poll(publicId("subscription", api.uuid()))).status).toBe(404);
  });
});

describe("GET /v1/subscriptions/{id}/deliveries", () => {
  it("a subscription's deliveries are listed", async () => {
    const { id } = await api.subscribe();
    const { deliveryId, eventId } = await api.end(id);
    const response = await api.request("GET", `/v1/subscriptions/${id}/deliveries`);
    const page: Json = deliveryPageSchema.parse(await response.json());
    expect(page).toMatchObject({
      data: [
        {
          id: publicId("delivery", deliveryId ?? ""),
          subscription_id: id,
          event_id: publicId("event", eventId),
          event_type: "job.completed",
          callback_origin: "https://app.example.com",
          status: "pending",
          attempt_count: 0,
        },
      ],
      next_cursor: null,
    });
  });

  it("GET /v1/subscriptions/{id}/deliveries is 404 for an unknown subscription", async () => {
    const id = publicId("subscription", api.uuid());
    expect((await api.request("GET", `/v1/subscriptions/${id}/deliveries`)).status).toBe(404);
  });
});
