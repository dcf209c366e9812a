import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publicId } from "../../src/core/ids/ids.ts";
import { ApiFixture, type Json, problemOf } from "./api-fixture.ts";

/* The filters of lists, and the fields of a delivery that are not in its own row. */

let api: ApiFixture;
const ids: Record<string, string> = {};
const deliveries: Record<string, string> = {};

beforeAll(async () => {
  api = await ApiFixture.open();
  const wishes: [string, object][] = [
    ["plain", { metadata: { invoice: 17, exact: 1.5 } }],
    ["named", { metadata: { invoice: "17", customer: "Zoë" } }],
    // No character, which Postgres refuses to read; and one that is.
    ["hostile", { metadata: { invoice: 17, broken: "\u0000 \uD800" } }],
    ["emoji", { metadata: { invoice: 18, smile: "🙂", path: "\\u0000" } }],
    ["elsewhere", { callback_url: "https://other.example.com/hook", metadata: {} }],
  ];
  for (const [name, wish] of wishes) {
    ids[name] = (await api.subscribe({ job_id: `job-${name}`, ...wish })).id;
  }
  for (const [name, status] of [
    ["plain", "completed"],
    ["named", "failed"],
    ["elsewhere", "completed"],
  ] as const) {
    const { deliveryId } = await api.end(ids[name] ?? "", { status, result: "1" });
    deliveries[name] = deliveryId ?? "";
  }
  const failed = { httpStatus: 500, errorCode: "server_error_answer", errorMessage: null } as const;
  await api.attempt(deliveries["plain"] ?? "", failed);
  await api.attempt(deliveries["named"] ?? "", failed);
  await api.attempt(deliveries["named"] ?? "", { httpStatus: 204 });
});
afterAll(() => api.close());

async function listed(path: string): Promise<Json[]> {
  const response = await api.request("GET", path);
  expect(response.status, path).toBe(200);
  return ((await response.json()) as Json).data;
}

describe("subscriptions", () => {
  const names = async (query: string): Promise<string[]> =>
    (await listed(`/v1/subscriptions?${query}`)).map(({ job_id: id }) => id.slice("job-".length));

  it.each([
    ["status=active", ["emoji", "hostile"]],
    ["status=active,delivering", ["elsewhere", "emoji", "hostile"]],
    ["status=delivered,delivering", ["elsewhere", "named", "plain"]],
    ["callback_origin=https://other.example.com", ["elsewhere"]],
    ["metadata=invoice%3D17", ["named", "plain"]],
    ["metadata=exact%3D1.5", ["plain"]],
    ["metadata=exact%3D1.50", []],
    ["metadata=customer%3DZo%C3%AB", ["named"]],
    ["metadata=smile%3D%F0%9F%99%82", ["emoji"]],
    ["metadata=path%3D%5Cu0000", ["emoji"]],
    ["metadata=invoice%3D17&status=delivered", ["named", "plain"]],
    ["metadata=__proto__%3D1", []],
  ])("subscriptions can be filtered by %s", async (query, expected) => {
    expect((await names(query)).toSorted()).toEqual(expected);
  });

  it.each(["status=active,", "status=nothing", "status=", "metadata=invoice", "metadata=%3D1"])(
    "subscriptions refuse %s",
    async (query) => {
      const response = await api.request("GET", `/v1/subscriptions?${query}`);
      expect(await problemOf(response)).toMatchObject({ code: "invalid_query" });
    },
  );
});

describe("deliveries", () => {
  const names = async (query: string): Promise<string[]> =>
    (await listed(`/v1/deliveries?${query}`)).map(({ job_id: id }) => id.slice("job-".length));

  it("deliveries show the job, the URL, and why the latest attempt failed", async () => {
    const [plain] = await listed("/v1/deliveries?job_id=job-plain");
    expect(plain).toMatchObject({
      job_id: "job-plain",
      callback_url: "https://app.example.com/hooks/ringback",
      last_error: { code: "server_error_answer", message: null },
    });
    const [named] = await listed("/v1/deliveries?job_id=job-named");
    expect(named.last_error).toBeNull();
    const id = publicId("delivery", deliveries["plain"] ?? "");
    const one: Json = await (await api.request("GET", `/v1/deliveries/${id}`)).json();
    const { attempts, ...rest } = one;
    expect(rest).toEqual(plain);
    expect(attempts).toHaveLength(1);
    const again = await api.request("POST", `/v1/deliveries/${id}/redeliver`);
    expect(await again.json()).toMatchObject({ job_id: "job-plain", last_error: plain.last_error });
  });

  it("deliveries to an inbox show its name and no URL", async () => {
    const { id } = await api.subscribe({ job_id: "job-i", callback_url: undefined, inbox: "box" });
    await api.end(id, { result: "1" });
    const [one] = await listed("/v1/deliveries?job_id=job-i");
    expect(one).toMatchObject({ callback_url: null, callback_origin: null, inbox: "box" });
    await api.sql("delete from deliveries where callback_origin = 'inbox:box'");
    await api.request("DELETE", `/v1/subscriptions/${id}`);
    await api.sql("delete from subscriptions where callback_origin = 'inbox:box'");
  });

  it("deliveries are found by each filter, and by several", async () => {
    expect(await names("event_type=job.failed")).toEqual(["named"]);
    expect(await names("error_code=server_error_answer")).toEqual(["plain"]);
    expect(await names("job_id=job-elsewhere")).toEqual(["elsewhere"]);
    expect(await names("job_id=job-unknown")).toEqual([]);
    expect(await names(`subscription=${ids["named"]}`)).toEqual(["named"]);
    expect(await names(`subscription=${ids["named"]}&job_id=job-plain`)).toEqual([]);
    expect(await names(`subscription=${ids["named"]}&event_type=job.failed`)).toEqual(["named"]);
    expect(await names("job_id=job-plain&error_code=gone")).toEqual([]);
    const [, { created_at: middle }] = await listed("/v1/deliveries");
    expect(await names(`created_before=${middle}`)).toEqual(["plain"]);
    expect(await names(`created_after=${middle}`)).toEqual(["elsewhere"]);
  });

  it("deliveries of a job with very many subscriptions are found among all deliveries", async () => {
    await api.sql(`update jobs set subscription_count = 100000 where job_id = 'job-plain'`);
    expect(await names("job_id=job-plain")).toEqual(["plain"]);
    await api.sql(`update jobs set subscription_count = 1 where job_id = 'job-plain'`);
  });

  it("the list of deliveries refuses filters that can match none", async () => {
    for (const query of ["subscription=sub_1", "error_code=x", "event_type=job", "job_id="]) {
      const response = await api.request("GET", `/v1/deliveries?${query}`);
      expect(await problemOf(response)).toMatchObject({ code: "invalid_query" });
    }
  });
});
