import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiFixture, CALLBACK_URL, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

async function post(body: unknown, headers?: Record<string, string>): Promise<Response> {
  return api.request("POST", "/v1/subscriptions", { body, ...(headers && { headers }) });
}

async function expectNothingStored(): Promise<void> {
  const [{ count }] = await api.sql(`select count(*)::int as count from subscriptions`);
  expect(count).toBe(0);
}

const whsec = (bytes: number) => `whsec_${Buffer.alloc(bytes, 1).toString("base64")}`;
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

describe("a subscription whose fields are wrong", () => {
  it.each<[string, object, string[]]>([
    ["no fields", { job_id: undefined, callback_url: undefined }, ["/job_id", "/callback_url"]],
    ["an empty job id", { job_id: "" }, ["/job_id"]],
    ["a job id that is too long", { job_id: "x".repeat(513) }, ["/job_id"]],
    ["a job id with a NUL", { job_id: "a\0b" }, ["/job_id"]],
    ["a job id with a line break", { job_id: "a\nb" }, ["/job_id"]],
    ["a job id with half a surrogate pair", { job_id: "a\ud800" }, ["/job_id"]],
    ["a job id that is a number", { job_id: 17 }, ["/job_id"]],
    ["a callback URL that is none", { callback_url: "nowhere" }, ["/callback_url"]],
    ["a callback URL that is refused", { callback_url: "http://a.example" }, ["/callback_url"]],
    [
      "a callback URL that is too long",
      { callback_url: `https://a/${"x".repeat(2048)}` },
      ["/callback_url"],
    ],
    ["an unknown provider", { provider: "absent" }, ["/provider"]],
    ["a provider named like a property of every object", { provider: "__proto__" }, ["/provider"]],
    ["an unknown connection", { connection: "absent" }, ["/connection"]],
    ["a connection with a NUL", { connection: "\0" }, ["/connection"]],
    ["a provider with half a surrogate pair", { provider: "\ud800" }, ["/provider"]],
    ["a connection of another provider", { provider: "sandbox" }, ["/connection"]],
    ["params that the provider does not know", { params: { region: "eu" } }, ["/params/region"]],
    ["params that are no strings", { params: { a: 1 } }, ["/params/a"]],
    ["params that are a list", { params: [] }, ["/params"]],
    ["too many params", { params: Object.fromEntries(Array(21).fill("x").entries()) }, ["/params"]],
    ["params that are too long", { params: { a: "x".repeat(8192) } }, ["/params"]],
    ["params with a NUL", { params: { "a/~b": "\0" } }, ["/params/a~1~0b"]],
    ["no events", { events: [] }, ["/events"]],
    ["an unknown event", { events: ["job.failed", "job.done"] }, ["/events/1"]],
    ["an event twice", { events: ["job.failed", "job.failed"] }, ["/events"]],
    ["too many events", { events: Array(1000).fill("x") }, ["/events"]],
    ["events that are text", { events: "job.failed" }, ["/events"]],
    ["an unknown payload", { payload: "fat" }, ["/payload"]],
    ["metadata that is a list", { metadata: [1] }, ["/metadata"]],
    ["metadata that is null", { metadata: null }, ["/metadata"]],
    ["metadata that is too long", { metadata: { a: "é".repeat(2045) } }, ["/metadata"]],
    ["metadata that is nested too deeply", { metadata: JSON.parse(nested(65)) }, ["/metadata"]],
    ["a secret without whsec_", { secret: "hunter2" }, ["/secret"]],
    ["a secret that is not base64", { secret: "whsec_!!!" }, ["/secret"]],
    ["a secret that is too short", { secret: whsec(23) }, ["/secret"]],
    ["a secret that is too long", { secret: whsec(65) }, ["/secret"]],
    ["an empty secret", { secret: "whsec_" }, ["/secret"]],
    ["a schedule that is a number", { retry_schedule_s: 5 }, ["/retry_schedule_s"]],
    ["a schedule with a wait of nothing", { retry_schedule_s: [1, 0] }, ["/retry_schedule_s/1"]],
    ["a schedule with a wait below zero", { retry_schedule_s: [-1] }, ["/retry_schedule_s/0"]],
    ["a schedule with text", { retry_schedule_s: ["5"] }, ["/retry_schedule_s/0"]],
    ["a wait that is too long", { retry_schedule_s: [604_801] }, ["/retry_schedule_s/0"]],
    [
      "a schedule of too many waits",
      { retry_schedule_s: Array(31).fill(1) },
      ["/retry_schedule_s"],
    ],
    [
      "a schedule too long in all",
      { retry_schedule_s: Array(5).fill(604_800) },
      ["/retry_schedule_s"],
    ],
    ["no signatures", { signatures: [] }, ["/signatures"]],
    ["an unknown signature", { signatures: ["v1", "v2"] }, ["/signatures/1"]],
    ["a signature twice", { signatures: ["v1", "v1"] }, ["/signatures"]],
    [
      "too many headers",
      {
        headers: Object.fromEntries(
          Array(21)
            .keys()
            .map((n) => [`x-${n}`, ""]),
        ),
      },
      ["/headers"],
    ],
    ["headers that are too long", { headers: { x: "y".repeat(4096) } }, ["/headers"]],
    ["a header given twice", { headers: { "X-A": "1", "x-a": "2" } }, ["/headers/x-a"]],
    ["a header name with a blank", { headers: { "x a": "1" } }, ["/headers/x a"]],
    ["a header with a line break", { headers: { "x-a": "1\r\nhost: b" } }, ["/headers/x-a"]],
    ["a header that is not ASCII", { headers: { "x-a": "é" } }, ["/headers/x-a"]],
    ["a header that is a number", { headers: { "x-a": 1 } }, ["/headers/x-a"]],
    ["a deadline of nothing", { deadline_s: 0 }, ["/deadline_s"]],
    ["a deadline with a fraction", { deadline_s: 1.5 }, ["/deadline_s"]],
    ["a deadline that is too far", { deadline_s: 1e9 }, ["/deadline_s"]],
    ["unknown fields", { jobid: 1, "a/b": 2, constructor: 3 }, ["/jobid", "/a~1b", "/constructor"]],
    [
      "several faults",
      { provider: "absent", callback_url: "x", metadata: { a: "x".repeat(5000) } },
      ["/provider", "/metadata", "/callback_url"],
    ],
  ])(
    "a subscription with wrong fields is refused with an error about %s",
    async (_name, wish, pointers) => {
      const response = await post({ job_id: "a", callback_url: CALLBACK_URL, ...wish });
      expect(response.status).toBe(422);
      const { errors, detail } = await problemOf(response);
      expect(errors.map((error: { pointer: string }) => error.pointer)).toEqual(pointers);
      expect(detail.length).toBeLessThan(1000);
      await expectNothingStored();
    },
  );

  it.each([
    "connection",
    "Content-Length",
    "content-type",
    "cookie",
    "expect",
    "Host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "User-Agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "__proto__",
  ])("a subscription can't set the header %s", async (name) => {
    const response = await post(
      `{"job_id": "a", "callback_url": "${CALLBACK_URL}", "headers": {"${name}": "x"}}`,
    );
    const { errors } = await problemOf(response);
    expect(errors).toMatchObject([{ pointer: `/headers/${name}` }]);
  });

  it("a subscription with one wrong field is refused with the code of that fault", async () => {
    const codeOf = async (wish: object) =>
      (await problemOf(await post({ job_id: "a", callback_url: CALLBACK_URL, ...wish }))).code;
    expect(await codeOf({ provider: "absent" })).toBe("unknown_provider");
    expect(await codeOf({ connection: "absent" })).toBe("unknown_connection");
    expect(await codeOf({ callback_url: "x" })).toBe("callback_url_refused");
    expect(await codeOf({ connection: "absent", callback_url: "x" })).toBe("validation_failed");
  });

  it("a subscription with a field __proto__ is refused like one with any unknown field", async () => {
    const response = await post(
      `{"job_id": "a", "callback_url": "${CALLBACK_URL}", "__proto__": {"provider": "sandbox"}}`,
    );
    expect((await problemOf(response)).errors).toMatchObject([{ pointer: "/__proto__" }]);
  });

  it("a subscription with many wrong fields is refused with at most fifty faults, and the start of long names", async () => {
    const keys = Array.from({ length: 2000 }, (_, index) => [`${"k".repeat(100)}${index}`, 1]);
    const response = await post(Object.fromEntries(keys));
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors.length).toBeLessThanOrEqual(50);
  });

  it("a subscription whose fields are just within the limits is accepted", async () => {
    const depth = 64;
    const response = await post({
      job_id: "😀".repeat(256),
      callback_url: CALLBACK_URL,
      metadata: JSON.parse(nested(depth)),
      secret: whsec(64),
      headers: { "x-a": "y".repeat(4093) },
      deadline_s: 1,
    });
    expect(response.status).toBe(201);
    await api.sql(`delete from subscriptions`);
  });
});

describe("a body that is no subscription", () => {
  it.each([
    ["{", "line 1, column 2 (position 1)"],
    ['{"job_id": "a",\n}', "line 2, column 1"],
    ["hello", 'line 1, column 1 (position 0): expected a value, found "h"'],
    ["", "empty"],
    ['{"job_id": "\ud800"', "found the end"],
    ["[".repeat(9_000), "position 9000"],
  ])("body %# is malformed JSON, and the error names the position", async (body, detail) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ code: "malformed_json" });
    expect(problem.detail).toContain(detail);
  });

  it("that is not UTF-8 is told so", async () => {
    const response = await api.app.request("/v1/subscriptions", {
      method: "POST",
      headers: {
        authorization: `Bearer ${await api.addKey(["admin"])}`,
        "content-type": "application/json",
      },
      body: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect(response.status).toBe(400);
    expect((await problemOf(response)).detail).toContain("UTF-8");
  });

  it.each(["null", "17", '"text"', "true", "[]", `${"[".repeat(9_000)}${"]".repeat(9_000)}`])(
    "%# is told that an object is wanted",
    async (body) => {
      const response = await post(body);
      expect(response.status).toBe(422);
      expect((await problemOf(response)).errors).toEqual([
        { pointer: "", detail: "Must be an object." },
      ]);
    },
  );

  it.each([
    "text/plain",
    "application/jsonp",
    "application/json; charset=latin1",
    "",
    "multipart/form-data",
  ])("a body of type %j is refused", async (type) => {
    const response = await post("{}", { "content-type": type });
    expect(response.status).toBe(415);
    expect(await problemOf(response)).toMatchObject({ code: "unsupported_media_type" });
  });

  it.each(["application/json; charset=utf-8", "Application/JSON;charset=UTF-8"])(
    "a body of type %j is read",
    async (type) => {
      expect((await post("{}", { "content-type": type })).status).toBe(422);
    },
  );

  it("that is compressed is refused", async () => {
    expect((await post("{}", { "content-encoding": "gzip" })).status).toBe(415);
  });

  it("above 256 KiB is refused", async () => {
    const response = await post(`"${"x".repeat(256 * 1024)}"`);
    expect(response.status).toBe(413);
    expect((await problemOf(response)).detail).toContain("256 KiB");
    expect((await post("{}", { "content-length": "262145" })).status).toBe(413);
  });
});

describe("a query", () => {
  it.each([
    ["limit=0", "limit"],
    ["limit=101", "limit"],
    ["limit=1.5", "limit"],
    ["limit=", "limit"],
    ["status=done", "status"],
    ["job_id=", "job_id"],
    ["job_id=%00", "job_id"],
    ["connection=%00", "connection"],
    ["provider=a%00", "provider"],
    ["created_after=yesterday", "created_after"],
    ["created_after=2026-01-01", "created_after"],
    ["created_after=2026-13-01T00:00:00Z", "created_after"],
    ["created_after=0000-01-01T00:00:00Z", "created_after"],
    ["limit=1&limit=2", "limit"],
    ["page=2", "page"],
    ["__proto__=1", "__proto__"],
    ["=1", ""],
  ])("query %s is refused with the name of the parameter", async (query, parameter) => {
    const response = await api.request("GET", `/v1/subscriptions?${query}`);
    expect(response.status).toBe(400);
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ code: "invalid_query", errors: [{ parameter }] });
  });

  it("a query is refused where none is known", async () => {
    const response = await api.request("POST", "/v1/subscriptions?dry_run=1", { body: {} });
    expect(response.status).toBe(400);
    expect((await problemOf(response)).errors).toMatchObject([{ parameter: "dry_run" }]);
  });
});
