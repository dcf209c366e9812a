import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { redeliveryPageSchema, redeliverySchema } from "../../src/api/deliveries/schema.ts";
import { publicId } from "../../src/core/ids/ids.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(async () => {
  api.calls.length = 0;
  await api.sql("delete from redeliveries");
});

const post = (body: unknown) => api.request("POST", "/v1/redeliveries", { body });

async function create(body: object = { status: "exhausted" }): Promise<Json> {
  const response = await post(body);
  expect(response.status).toBe(202);
  api.clock.advance(1);
  return redeliverySchema.parse(await response.json());
}

describe("POST /v1/redeliveries", () => {
  it("a redelivery is stored as requested, in a shard whose owner begins at once", async () => {
    const nowMs = api.clock.now();
    const redelivery = await create({
      status: "exhausted",
      event_type: "job.completed",
      error_code: "connect_refused",
      callback_origin: "https://app.example.com",
      created_after: "2025-01-01T00:00:00Z",
      created_before: "2025-02-01T00:00:00+01:00",
      deliveries_per_second: 0.5,
    });
    expect(redelivery).toMatchObject({
      state: "running",
      dry_run: false,
      filter: {
        status: "exhausted",
        event_type: "job.completed",
        error_code: "connect_refused",
        callback_origin: "https://app.example.com",
        created_after: "2025-01-01T00:00:00.000Z",
        created_before: "2025-01-31T23:00:00.000Z",
      },
      deliveries_per_second: 0.5,
      matched: 0,
      redelivered: 0,
      skipped: 0,
      created_at: new Date(nowMs).toISOString(),
      finished_at: null,
    });
    const [row] = await api.sql("select shard_id, id from redeliveries");
    expect(row.shard_id).toBe(7);
    expect(api.calls).toEqual([["begin", { projectId: api.projectId, id: row.id }, 0]]);
  });

  it("a redelivery has the default pace, and takes nothing that is created from now on", async () => {
    const first = await create({ status: "gone" });
    expect(first.deliveries_per_second).toBe(100);
    expect(first.filter.created_before).toBe(first.created_at);
    const second = await create({ status: "gone", created_before: "2100-01-01T00:00:00Z" });
    expect(second.filter.created_before).toBe(second.created_at);
  });

  it("a dry run waits for its count", async () => {
    expect(await create({ status: "delivered", dry_run: true })).toMatchObject({ dry_run: true });
    expect(api.calls).toEqual([["begin", expect.anything(), 2000]]);
  });

  it.each<[string, object, string]>([
    ["no status", {}, "/status"],
    ["canceled ones", { status: "canceled" }, "/status"],
    ["an unknown event", { status: "gone", event_type: "job.lost" }, "/event_type"],
    ["a URL", { status: "gone", callback_origin: "https://a.example/b" }, "/callback_origin"],
    ["a date", { status: "gone", created_after: "2026-01-01" }, "/created_after"],
    ["a standstill", { status: "gone", deliveries_per_second: 0 }, "/deliveries_per_second"],
    ["a crawl", { status: "gone", deliveries_per_second: 0.09 }, "/deliveries_per_second"],
    ["a rush", { status: "gone", deliveries_per_second: 10_001 }, "/deliveries_per_second"],
    ["a text", { status: "gone", dry_run: "yes" }, "/dry_run"],
    ["an unknown field", { status: "gone", limit: 5 }, "/limit"],
    [
      "no time at all",
      {
        status: "gone",
        created_after: "2026-01-01T00:00:00Z",
        created_before: "2026-01-01T00:00:00Z",
      },
      "/created_before",
    ],
  ])("POST /v1/redeliveries refuses %s", async (_what, body, pointer) => {
    const response = await post(body);
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors).toMatchObject([{ pointer }]);
    expect(await api.sql("select from redeliveries")).toEqual([]);
  });

  it("lets ten run at once in a project", async () => {
    for (let count = 0; count < 10; count += 1) await create();
    const response = await post({ status: "exhausted" });
    expect(response.headers.get("retry-after")).toBe("10");
    expect(await problemOf(response)).toMatchObject({ code: "too_many_redeliveries" });
    const [first] = await api.sql("select id from redeliveries limit 1");
    await api.request("DELETE", `/v1/redeliveries/${publicId("redelivery", first.id)}`);
    await create();
  });
});

describe("GET /v1/redeliveries", () => {
  it("redeliveries are listed newest first, page by page", async () => {
    const made = [await create(), await create(), await create()];
    const first = await api.request("GET", "/v1/redeliveries?limit=2");
    const page: Json = redeliveryPageSchema.parse(await first.json());
    expect(page.data.map((one: Json) => one.id)).toEqual([made[2].id, made[1].id]);
    const second = await api.request("GET", `/v1/redeliveries?limit=2&cursor=${page.next_cursor}`);
    expect(await second.json()).toMatchObject({ data: [{ id: made[0].id }], next_cursor: null });
  });

  it("a redelivery is shown, and an unknown id or another project's is 404", async () => {
    const { id } = await create();
    expect((await api.request("GET", `/v1/redeliveries/${id}`)).status).toBe(200);
    const key = await api.addKey(["admin"], { projectId: api.uuid() });
    expect((await api.request("GET", `/v1/redeliveries/${id}`, { key })).status).toBe(404);
    expect((await api.request("DELETE", `/v1/redeliveries/${id}`, { key })).status).toBe(404);
    const unknown = publicId("redelivery", api.uuid());
    expect((await api.request("GET", `/v1/redeliveries/${unknown}`)).status).toBe(404);
  });
});

describe("DELETE /v1/redeliveries/{id}", () => {
  it("DELETE /v1/redeliveries/{id} cancels one that runs, and changes nothing when repeated or over", async () => {
    const { id } = await create();
    const remove = async () => (await api.request("DELETE", `/v1/redeliveries/${id}`)).status;
    expect(await remove()).toBe(204);
    const canceledAt = new Date(api.clock.now()).toISOString();
    api.clock.advance(1000);
    expect(await remove()).toBe(204);
    expect(await (await api.request("GET", `/v1/redeliveries/${id}`)).json()).toMatchObject({
      state: "canceled",
      finished_at: canceledAt,
    });
    const other = await create();
    await api.sql("update redeliveries set state = 'completed' where state = 'running'");
    await api.request("DELETE", `/v1/redeliveries/${other.id}`);
    expect(await (await api.request("GET", `/v1/redeliveries/${other.id}`)).json()).toMatchObject({
      state: "completed",
    });
  });
});
