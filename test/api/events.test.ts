import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventSchema } from "../../src/api/response-schemas.ts";
import { publicId } from "../../src/core/ids.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

type Ending = Parameters<ApiFixture["end"]>[1];

async function eventOf(ending: Ending): Promise<{ id: string; text: string; event: Json }> {
  const subscription = await api.subscribe({ job_id: `job-${api.uuid()}` });
  const { eventId } = await api.end(subscription.id, ending);
  const id = publicId("event", eventId);
  const response = await api.request("GET", `/v1/events/${id}`);
  expect(response.status).toBe(200);
  const text = await response.text();
  return { id, text, event: eventSchema.parse(JSON.parse(text)) };
}

const readResult = (id: string) => api.request("GET", `/v1/events/${id}/result`);

describe("GET /v1/events/{id}", () => {
  it("shows a small result as the upstream wrote it", async () => {
    const { id, text, event } = await eventOf({ result: '{"n": 12345678901234567890, "x": 1.0}' });
    expect(event).toMatchObject({ id, type: "job.completed", data: { status: "completed" } });
    expect(text).toContain('"result":{"n": 12345678901234567890, "x": 1.0}');
    expect(event.data.result_url).toBeUndefined();
  });

  it("names a large result by its address", async () => {
    const { id, event } = await eventOf({ result: JSON.stringify("x".repeat(200)) });
    expect(event.data.result_url).toBe(`https://ringback.example.com/v1/events/${id}/result`);
    expect(event.data.result).toBeUndefined();
  });

  it("tells the error of a job that failed", async () => {
    const { event } = await eventOf({ status: "failed", error: 'no "pages"' });
    expect(event).toMatchObject({
      type: "job.failed",
      data: { status: "failed", error: 'no "pages"', provider: "pulse" },
    });
  });

  it("is 404 for an unknown id", async () => {
    const response = await api.request("GET", `/v1/events/${publicId("event", api.uuid())}`);
    expect(response.status).toBe(404);
    expect(await problemOf(response)).toMatchObject({ code: "not_found" });
  });
});

describe("GET /v1/events/{id}/result", () => {
  it("gives the whole result, byte for byte", async () => {
    const result = `{"large": "${"é".repeat(100_000)}", "n": 1.00}`;
    const { id } = await eventOf({ result });
    const response = await readResult(id);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(result);
  });

  it("is 404 when the job did not complete, and for an unknown id", async () => {
    const { id } = await eventOf({ status: "canceled" });
    const response = await readResult(id);
    expect(response.status).toBe(404);
    expect((await problemOf(response)).detail).toContain("did not complete");
    expect((await readResult(publicId("event", api.uuid()))).status).toBe(404);
  });
});
