import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { callbackTestSchema } from "../../src/api/callback-tests/schema.ts";
import { ApiFixture, CALLBACK_URL, problemOf } from "./api-fixture.ts";
import { TESTED } from "./fixture-answers.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(() => {
  api.calls.length = 0;
  api.tested = TESTED;
  api.clock.advance(60_000);
});

const SECRET = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;
const post = (body: object) => api.request("POST", "/v1/callbacks/test", { body });

it("a callback test sends the requested event and answers with the whole exchange", async () => {
  const response = await post({
    callback_url: CALLBACK_URL,
    secret: SECRET,
    signatures: ["v1a"],
    headers: { "x-tenant": "acme" },
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(callbackTestSchema.parse(await response.json())).toEqual({
    object: "callback_test",
    delivered: true,
    request: { method: "POST", url: CALLBACK_URL, headers: { "webhook-id": "msg_1" }, body: "{}" },
    response: {
      status: 204,
      headers: { "x-a": "1", "set-cookie": ["a=1", "b=2"] },
      body_excerpt: "fine",
      body_truncated: false,
    },
    error: null,
    duration_ms: 12,
  });
  const { projectId } = api;
  const headers = { "x-tenant": "acme" };
  const test = { projectId, url: CALLBACK_URL, secret: SECRET, signatures: ["v1a"], headers };
  expect(api.calls.at(-1)).toEqual(["testCallback", test]);
});

it("a callback test says why there was no answer, and does not call a refusal delivered", async () => {
  api.tested = {
    ...TESTED,
    response: null,
    failure: { code: "connect_refused", message: "Connection refused" },
  };
  expect(await (await post({ callback_url: CALLBACK_URL })).json()).toMatchObject({
    delivered: false,
    response: null,
    error: { code: "connect_refused", message: "Connection refused" },
  });
  api.tested = { ...TESTED, response: TESTED.response && { ...TESTED.response, status: 302 } };
  expect(await (await post({ callback_url: CALLBACK_URL })).json()).toMatchObject({
    delivered: false,
    response: { status: 302 },
  });
});

it.each<[object, string, string]>([
  [{}, "validation_failed", "/callback_url"],
  [{ callback_url: "http://a.example" }, "callback_url_refused", "/callback_url"],
  [{ callback_url: CALLBACK_URL, secret: "whsec_a" }, "validation_failed", "/secret"],
  [{ callback_url: CALLBACK_URL, headers: { host: "a" } }, "validation_failed", "/headers/host"],
  [{ callback_url: CALLBACK_URL, signatures: [] }, "validation_failed", "/signatures"],
  [{ callback_url: CALLBACK_URL, event: "x" }, "validation_failed", "/event"],
])("refuses %j and sends nothing", async (body, code, pointer) => {
  const response = await post(body);
  expect(response.status).toBe(422);
  expect(await problemOf(response)).toMatchObject({ code, errors: [{ pointer }] });
  expect(api.calls.filter(([name]) => name === "testCallback")).toEqual([]);
});

it("callback tests are limited to what a person needs", async () => {
  const statuses = [];
  for (let count = 0; count < 12; count += 1) {
    statuses.push((await post({ callback_url: CALLBACK_URL })).status);
  }
  expect(statuses.slice(0, 10)).toEqual(Array(10).fill(200));
  const response = await post({ callback_url: CALLBACK_URL });
  expect(response.headers.get("retry-after")).toBe("2");
  expect(await problemOf(response)).toMatchObject({ code: "too_many_tests" });
  // Nor does it keep the people of other projects from their work.
  const key = await api.addKey(["admin"], { projectId: api.uuid() });
  const body = { callback_url: CALLBACK_URL };
  const other = await api.request("POST", "/v1/callbacks/test", { key, body });
  expect(other.status).toBe(200);
  api.clock.advance(2_000);
  expect((await post({ callback_url: CALLBACK_URL })).status).toBe(200);
});
