import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resultPartSchema } from "../../src/api/http/event-schemas.ts";
import { eventSchema } from "../../src/api/http/response-schemas.ts";
import { parsePublicId, publicId } from "../../src/core/ids/ids.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, LINK_TTL_MS, problemOf, PUBLIC_URL } from "./api-fixture.ts";

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

/** As a receiver does that has no API key. */
const follow = (url: string) => api.request("GET", url.slice(PUBLIC_URL.length), { key: null });

const readResult = (id: string) => api.request("GET", `/v1/events/${id}/result`);

describe("GET /v1/events/{id}", () => {
  it("GET /v1/events/{id} shows a small result as the upstream wrote it", async () => {
    const { id, text, event } = await eventOf({ result: '{"n": 12345678901234567890, "x": 1.0}' });
    expect(event).toMatchObject({ id, type: "job.completed", data: { status: "completed" } });
    expect(text).toContain('"result":{"n": 12345678901234567890, "x": 1.0}');
    expect(event.data.result_url).toBeUndefined();
  });

  it("an event names a large result by its address", async () => {
    const { id, event } = await eventOf({ result: JSON.stringify("x".repeat(200)) });
    expect(event.data.result_url.split("?")[0]).toBe(`${PUBLIC_URL}/v1/events/${id}/result`);
    const byLink = await follow(event.data.result_url);
    expect(await byLink.json()).toBe("x".repeat(200));
    expect(event.data.result).toBeUndefined();
  });

  it("GET /v1/events/{id} shows the error of a job that failed", async () => {
    const { event } = await eventOf({ status: "failed", error: 'no "pages"' });
    expect(event).toMatchObject({
      type: "job.failed",
      data: { status: "failed", error: 'no "pages"', provider: "pulse" },
    });
  });

  it("GET /v1/events/{id} is 404 for an unknown id", async () => {
    const response = await api.request("GET", `/v1/events/${publicId("event", api.uuid())}`);
    expect(response.status).toBe(404);
    expect(await problemOf(response)).toMatchObject({ code: "not_found" });
  });
});

describe("GET /v1/events/{id}/result", () => {
  it("GET /v1/events/{id}/result gives the whole result, byte for byte", async () => {
    const result = `{"large": "${"é".repeat(100_000)}", "n": 1.00}`;
    const { id } = await eventOf({ result });
    const response = await readResult(id);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(result);
  });

  it("GET /v1/events/{id}/result is 404 when the job did not complete, and for an unknown id", async () => {
    const { id } = await eventOf({ status: "canceled" });
    const response = await readResult(id);
    expect(response.status).toBe(404);
    expect((await problemOf(response)).detail).toContain("did not complete");
    expect((await readResult(publicId("event", api.uuid()))).status).toBe(404);
  });
});

describe("GET /v1/events/{id}/result-part", () => {
  const readPart = async (id: string, number: number): Promise<Json> => {
    const response = await api.request("GET", `/v1/events/${id}/result-part?number=${number}`);
    const body = await response.json();
    return response.status === 200 ? resultPartSchema.parse(body) : body;
  };

  it("GET /v1/events/{id}/result-part gives a large result by part, digit by digit", async () => {
    const result = `{"large":"${"é€".repeat(80_000)}","n":12345678901234567890.10}`;
    const { id } = await eventOf({ result });
    let text = "";
    let number = 0;
    for (let hasMore = true; hasMore;) {
      number += 1;
      const part = await readPart(id, number);
      expect(part).toMatchObject({ number, result_bytes: Buffer.byteLength(result) });
      text += part.text;
      hasMore = part.has_more;
    }
    expect(text).toBe(result);
    expect(number).toBeGreaterThan(2);
    expect(await readPart(id, number + 1)).toMatchObject({ status: 404 });
    expect(await readPart(id, 0)).toMatchObject({ status: 400 });
  });

  it("GET /v1/events/{id}/result-part puts the characters of fetched text together, and shows no binary", async () => {
    const text = "añ€😀".repeat(10);
    const fetch = (type: string) =>
      `{"status":"stored","content_type":"${type}","bytes":${Buffer.byteLength(text)},"sha256":"00"}`;
    for (const type of ["text/markdown; charset=utf-8", "application/pdf"]) {
      const { id } = await eventOf({ result: '"link"', resultFetch: fetch(type) });
      const eventId = parsePublicId("event", id) ?? "";
      await api.sql("update events set result = null where id = $1", [eventId]);
      const bytes = Buffer.from(text);
      // Somewhere within a character.
      for (const [index, part] of [bytes.subarray(0, 15), bytes.subarray(15)].entries()) {
        await api.sql(
          "insert into result_parts (shard_id, event_id, number, bytes) select shard_id, id, $2, decode($3, 'hex') from events where id = $1",
          [eventId, index + 1, part.toString("hex")],
        );
      }
      const [first, second] = [await readPart(id, 1), await readPart(id, 2)];
      expect([first.has_more, second.has_more]).toEqual([true, false]);
      if (type === "application/pdf") expect(first.text).toBeNull();
      else expect(first.text + second.text).toBe(text);
    }
  });
});

describe("a link to a result", () => {
  const linkTo = async (ending: Ending): Promise<string> =>
    (await eventOf(ending)).event.data.result_url;
  const large = { result: JSON.stringify("x".repeat(200)) };

  it("a link to a result is good until it expires, and no longer", async () => {
    const link = await linkTo(large);
    api.clock.advance(LINK_TTL_MS - 1000);
    expect((await follow(link)).status).toBe(200);
    api.clock.advance(2000);
    const response = await follow(link);
    expect(response.status).toBe(403);
    expect(await problemOf(response)).toMatchObject({ code: "link_expired" });
  });

  it("a link to a result is good for its own event only, and as it came", async () => {
    const [one, other] = [await linkTo(large), await linkTo(large)];
    const mixed = `${one.split("?")[0]}?${other.split("?")[1]}`;
    for (const link of [mixed, `${one}x`, one.replace("token=", "token=1")]) {
      expect(await problemOf(await follow(link))).toMatchObject({ code: "link_invalid" });
    }
    expect((await follow(`${one}&token=a`)).status).toBe(400);
    expect((await follow(one.split("?")[0] ?? "")).status).toBe(401);
  });

  it("a link to a result is followed by an API key however old it is, if the event is its project's", async () => {
    const path = (await linkTo(large)).slice(PUBLIC_URL.length);
    api.clock.advance(2 * LINK_TTL_MS);
    expect((await api.request("GET", path)).status).toBe(200);
    const key = await api.addKey(["admin"], { projectId: api.uuid() });
    expect((await api.request("GET", path, { key })).status).toBe(404);
    expect((await api.request("GET", path, { key: "rb_unknown" })).status).toBe(401);
  });
});

describe("a result of several MiB", () => {
  // Characters of one, two, three and four bytes, so that a cut through one would be seen.
  const result = JSON.stringify("aé€😀".repeat(700_000));

  it("a result of several MiB comes out part by part as it went in, with its length stated first", async () => {
    const { id, event } = await eventOf({ result });
    expect(await api.sql("select from result_parts where number > 5 limit 1")).toHaveLength(1);
    expect(event.data.result).toBeUndefined();
    const response = await readResult(id);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("content-length")).toBe(String(Buffer.byteLength(result)));
    expect(await response.text()).toBe(result);
  });

  it("a result of several MiB is described without being read", async () => {
    const { id } = await eventOf({ result });
    const response = await api.request("HEAD", `/v1/events/${id}/result`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe(String(Buffer.byteLength(result)));
    expect(await response.text()).toBe("");
  });
});
