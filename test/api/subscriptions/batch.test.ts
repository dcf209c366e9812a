import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { batchResponseSchema } from "../../../src/api/subscriptions/schema.ts";
import type { Json } from "../api-fixture.ts";
import { ApiFixture, CALLBACK_URL, problemOf } from "../api-fixture.ts";
import { type RanStatement, watchStatements } from "../../support/plans.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(() => {
  api.acceptOutcome = null;
  api.calls.length = 0;
});

function post(body: unknown, headers?: Record<string, string>): Promise<Response> {
  return api.request("POST", "/v1/subscriptions/batch", { body, ...(headers && { headers }) });
}

async function results(response: Response): Promise<Json[]> {
  expect(response.status).toBe(200);
  return batchResponseSchema.parse(await response.json()).results;
}

const wish = (job_id: unknown) => ({ job_id, callback_url: CALLBACK_URL });

describe("POST /v1/subscriptions/batch", () => {
  it("POST /v1/subscriptions/batch answers one result an item, in the order given, and a bad one fails alone", async () => {
    const items = [
      wish("b1"),
      wish(""),
      { ...wish("b2"), callback_url: "http://private" },
      7,
      { ...wish("b3"), provider: "absent", typo: 1 },
      wish("b4"),
    ];
    expect(await results(await post({ subscriptions: items }))).toMatchObject([
      { status: 201, subscription: { job_id: "b1", status: "active" } },
      { status: 422, error: { code: "validation_failed", errors: [{ pointer: "/job_id" }] } },
      {
        status: 422,
        error: { code: "callback_url_refused", errors: [{ pointer: "/callback_url" }] },
      },
      { status: 422, error: { errors: [{ pointer: "", detail: "Must be an object." }] } },
      { status: 422, error: { errors: [{ pointer: "/typo" }] } },
      { status: 201, subscription: { job_id: "b4" } },
    ]);
  });

  it("POST /v1/subscriptions/batch takes a bare array, and a thousand items", async () => {
    const items = Array.from({ length: 1000 }, (_, index) => wish(`bulk-${index}`));
    const stored = await results(await post(items));
    expect(stored.map((one) => one.subscription.job_id)).toEqual(items.map((one) => one.job_id));
  });

  it("POST /v1/subscriptions/batch checks a callback URL that all items share once", async () => {
    await post([wish("u1"), wish("u2"), { ...wish("u3"), callback_url: `${CALLBACK_URL}?a` }]);
    expect(api.calls.filter(([name]) => name === "checkUrl")).toHaveLength(2);
  });

  it("POST /v1/subscriptions/batch gives the metadata of each item back digit by digit", async () => {
    const item = (job: string, metadata: string) =>
      `{"job_id": "${job}", "metadata": ${metadata}, "callback_url": "${CALLBACK_URL}"}`;
    const items = `[${item("m1", '{"n": 1.0}')}, ${item("m2", '{"]": [12345678901234567890, "}"]}')}]`;
    for (const body of [items, `{"subscriptions": [], "subscriptions" : ${items}}`]) {
      const text = await (await post(body)).text();
      expect(text).toContain('"metadata":{"n": 1.0}');
      expect(text).toContain('"metadata":{"]": [12345678901234567890, "}"]}');
    }
  });

  it("POST /v1/subscriptions/batch counts each item by its place under an Idempotency-Key", async () => {
    const headers = { "idempotency-key": "batch" };
    const first = await results(await post([wish("i1"), wish("i2")], headers));
    const again = await results(await post([wish("i1"), wish("other"), wish("i3")], headers));
    expect(again).toMatchObject([
      { status: 201, idempotent_replayed: true, subscription: { id: first[0].subscription.id } },
      { status: 409, error: { code: "idempotency_conflict" } },
      { status: 201, subscription: { job_id: "i3" } },
    ]);
  });

  it("an item keeps its own idempotency key in any batch, at any place, and in a request of its own", async () => {
    const keyed = (keys: readonly string[], ...jobs: string[]) =>
      post({ subscriptions: jobs.map(wish), idempotency_keys: keys });
    const first = await results(await keyed(["key-1", "key-2"], "k1", "k2"));
    const again = await results(
      await keyed(["key-3", "key-2", "key-1", "key-3"], "k3", "k2", "k1", "k3"),
    );
    const ids = again.map((one) => one.subscription.id);
    expect(ids.slice(1, 3)).toEqual([first[1].subscription.id, first[0].subscription.id]);
    expect(ids[3]).toBe(ids[0]);
    expect(again.map((one) => one.idempotent_replayed === true).slice(1, 3)).toEqual([true, true]);
    const alone = await api.request("POST", "/v1/subscriptions", {
      body: wish("k1"),
      headers: { "idempotency-key": "key-1" },
    });
    expect(((await alone.json()) as Json).id).toBe(first[0].subscription.id);
    expect(await results(await keyed(["key-1"], "other"))).toMatchObject([
      { status: 409, error: { code: "idempotency_conflict" } },
    ]);
  });

  it("a repeated batch is answered with two statements, however many items it has", async () => {
    const jobs = Array.from({ length: 300 }, (_, index) => `again-${index}`);
    const body = {
      subscriptions: jobs.map(wish),
      idempotency_keys: jobs.map((job) => `key-of-${job}`),
    };
    const first = await results(await post(body));
    await api.request("DELETE", `/v1/subscriptions/${first[1].subscription.id}`);
    const ran: RanStatement[] = [];
    watchStatements(api.database, ran);
    const again = await results(await post(body));
    const names = ran
      .map(({ name }) => name)
      .filter((name) => /subscription|idempotency/.test(name));
    expect(again.map((one) => one.subscription.id)).toEqual(
      first.map((one) => one.subscription.id),
    );
    expect(again.every((one) => one.idempotent_replayed === true)).toBe(true);
    expect(again[1].subscription.status).toBe("canceled");
    expect(names).toEqual(["find-idempotency-keys", "find-subscriptions-by-id"]);
  });

  it("a key that is older than a day is free again, for an item of a batch too", async () => {
    const body = { subscriptions: [wish("day")], idempotency_keys: ["key-of-day"] };
    const [first] = await results(await post(body));
    await api.sql(
      "update idempotency_keys set created_at = created_at - interval '25 hours' where key = 'key-of-day'",
      [],
    );
    const [again] = await results(await post(body));
    expect(again).toMatchObject({ outcome: "created", status: 201 });
    expect(again.subscription.id).not.toBe(first.subscription.id);
  });

  it("dry_run checks each item as it would be, and stores none", async () => {
    const count = () => api.sql(`select count(*)::int as count from subscriptions`, []);
    const before = await count();
    const subscriptions = [wish("d1"), wish(""), { ...wish("d2"), provider: "absent" }];
    expect(await results(await post({ subscriptions, dry_run: true }))).toMatchObject([
      { outcome: "valid", status: 200, warnings: [] },
      { outcome: "refused", status: 422, error: { errors: [{ pointer: "/job_id" }] } },
      { outcome: "refused", status: 422, error: { code: "unknown_provider" } },
    ]);
    expect(await count()).toEqual(before);
    expect(
      await results(await post({ subscriptions: [wish("d1")], dry_run: false })),
    ).toMatchObject([{ outcome: "created" }]);
  });

  it("POST /v1/subscriptions/batch names each item that could not be stored, and nothing internal", async () => {
    api.acceptOutcome = new Error("secret detail");
    const response = await post([wish("a"), { ...wish("b"), job_id: 1 }]);
    expect(await results(response)).toMatchObject([
      { status: 500, error: { code: "internal_error" } },
      { status: 422 },
    ]);
    expect(JSON.stringify(await results(await post([wish("a")])))).not.toContain("secret detail");
    api.acceptOutcome = { kind: "overloaded" };
    expect(await results(await post([wish("a")]))).toMatchObject([
      { status: 503, error: { code: "overloaded" } },
    ]);
  });

  it.each<[unknown, string[]]>([
    [[], [""]],
    [Array(1001).fill(0), [""]],
    [{ subscriptions: [] }, ["/subscriptions"]],
    [{ subscriptions: {} }, ["/subscriptions"]],
    [{}, ["/subscriptions"]],
    [{ subscriptions: [1], dry: true }, ["/dry"]],
    [{ subscriptions: [1], dry_run: "yes" }, ["/dry_run"]],
    [{ subscriptions: [1], idempotency_keys: "a" }, ["/idempotency_keys"]],
    [{ subscriptions: [1], idempotency_keys: ["a", "b"] }, ["/idempotency_keys"]],
    [
      { subscriptions: [1, 2, 3], idempotency_keys: ["a", "", "b\nc"] },
      ["/idempotency_keys/1", "/idempotency_keys/2"],
    ],
    ["17", [""]],
    ["null", [""]],
    ['{"__proto__": []}', ["/__proto__", "/subscriptions"]],
  ])(
    "POST /v1/subscriptions/batch refuses batch %# as a whole, with a pointer",
    async (body, pointers) => {
      const response = await post(body);
      expect(response.status).toBe(422);
      const { errors } = await problemOf(response);
      expect(errors.map((error: Json) => error.pointer)).toEqual(pointers);
    },
  );

  it("POST /v1/subscriptions/batch takes up to 8 MiB", async () => {
    const padded = `[${JSON.stringify(wish("large"))}${" ".repeat(1024 * 1024)}]`;
    expect(await results(await post(padded))).toMatchObject([{ status: 201 }]);
    const response = await post(`[${" ".repeat(8 * 1024 * 1024)}]`);
    expect(response.status).toBe(413);
    expect((await problemOf(response)).detail).toContain("8192 KiB");
  });
});
