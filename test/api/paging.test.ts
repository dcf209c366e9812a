import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parsePublicId, shardOfUuid } from "../../src/core/ids/ids.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf, EMPTY_LIST } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

async function page(path: string): Promise<{ data: Json[]; next_cursor: string | null }> {
  const response = await api.request("GET", path);
  expect(response.status).toBe(200);
  return (await response.json()) as Json;
}

/** Reads every page, doing something after each. */
async function walk(path: string, betweenPages: () => Promise<unknown> = async () => {}) {
  const seen: string[] = [];
  let pages = 0;
  let cursor: string | null = null;
  do {
    const next = await page(cursor === null ? path : `${path}&cursor=${cursor}`);
    seen.push(...next.data.map((one) => one.id as string));
    cursor = next.next_cursor;
    pages += 1;
    await betweenPages();
  } while (cursor !== null);
  return { seen, pages };
}

describe("the pages of a list", () => {
  it("the pages of a list hold every row that was there, once, while others are added", async () => {
    const origin = "https://pages.example.com";
    const wish = { callback_url: `${origin}/` };
    const before: string[] = [];
    for (let index = 0; index < 25; index += 1) {
      const { id } = await api.subscribe(wish);
      await api.end(id);
      before.unshift(id);
    }
    const add = () => api.subscribe(wish).then(({ id }) => api.end(id));
    const { seen, pages } = await walk("/v1/subscriptions?limit=10", add);
    expect(seen).toEqual(before);
    expect(pages).toBe(3);
    const deliveries = await walk(`/v1/deliveries?limit=7&callback_origin=${origin}`, add);
    expect(new Set(deliveries.seen).size).toBe(deliveries.seen.length);
    expect(deliveries.seen).toHaveLength(28);
  });

  it("the pages of a list end exactly at the last row", async () => {
    for (let index = 0; index < 4; index += 1) {
      await api.addConnection(api.projectId, `page-${index}`);
    }
    const { seen, pages } = await walk("/v1/connections?limit=5");
    expect(seen).toHaveLength(5);
    expect(pages).toBe(1);
    const { id } = await api.subscribe();
    expect(await page(`/v1/subscriptions/${id}/deliveries?limit=1`)).toEqual(EMPTY_LIST);
  });

  it("the pages of a list follow a filter over any number of rows that it leaves out", async () => {
    const wanted = await api.subscribe({ job_id: "rare" });
    await api.end(wanted.id);
    const other = await api.subscribe({ job_id: "frequent" });
    const otherId = parsePublicId("subscription", other.id) ?? "";
    // More than one page looks through.
    const ids = Array.from({ length: 6_000 }, () => api.uuid(shardOfUuid(otherId)));
    await api.sql(
      `insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url,
         callback_origin, events, payload, metadata, created_at)
       select shard_id, fresh.id::uuid, project_id, job_row_id, callback_url, callback_origin,
         events, payload, metadata, created_at
       from subscriptions, json_array_elements_text($2::text::json) as fresh (id)
       where subscriptions.id = $1`,
      [otherId, JSON.stringify(ids)],
    );
    const first = await page("/v1/subscriptions?limit=50&status=delivering");
    expect(first.data).toEqual([]);
    expect(first.next_cursor).not.toBeNull();
    const { seen } = await walk("/v1/subscriptions?limit=50&status=delivering");
    expect(seen).toContain(wanted.id);
    expect(new Set(seen).size).toBe(seen.length);
  });
});

describe("a cursor", () => {
  it("a cursor is refused when it was changed, made up, or used for another list", async () => {
    await api.subscribe();
    await api.subscribe();
    const { next_cursor: cursor } = await page("/v1/subscriptions?limit=1");
    expect(cursor).toMatch(/^[\w-]{32}$/);
    const good = cursor ?? "";
    const flipped = Array.from(good, (letter, at) => {
      return good.slice(0, at) + (letter === "A" ? "B" : "A") + good.slice(at + 1);
    });
    const bad = [...flipped, "", "x", "x".repeat(200), `${good}A`, "%00", "../../etc"];
    for (const one of bad) {
      const response = await api.request("GET", `/v1/subscriptions?limit=1&cursor=${one}`);
      expect(response.status).toBe(400);
      expect((await problemOf(response)).errors).toMatchObject([{ parameter: "cursor" }]);
    }
    for (const path of [
      "/v1/deliveries?",
      "/v1/connections?",
      "/v1/subscriptions?status=active&",
    ]) {
      const response = await api.request("GET", `${path}cursor=${good}`);
      expect(response.status).toBe(400);
      expect(await problemOf(response)).toMatchObject({ code: "invalid_cursor" });
    }
    expect((await page(`/v1/subscriptions?limit=2&cursor=${good}`)).data).not.toEqual([]);
  });
});
