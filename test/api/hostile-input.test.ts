import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiFixture, CALLBACK_URL, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

const RUNS = { numRuns: 300 };
const BODY_ROUTES = [
  ["POST", "/v1/subscriptions"],
  ["POST", "/v1/subscriptions/batch"],
  ["POST", "/v1/connections"],
  ["PATCH", "/v1/connections/con_00000000000070000000000000000000"],
  ["POST", "/v1/api-keys"],
] as const;
const LISTS = ["/v1/subscriptions", "/v1/deliveries", "/v1/connections", "/v1/api-keys"];

/** Accepted, or refused with a problem that points at something. */
async function expectJudged(response: Response): Promise<void> {
  if (response.status < 400) return;
  expect(response.status).toBeLessThan(500);
  await problemOf(response);
}

const hostileText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
  fc.constantFrom("\0", "\ud800", "__proto__", "constructor", "..", "%00", "\u2028", "' or 1=1 --"),
);
const hostileValue = fc.anything({
  key: fc.oneof(hostileText, fc.constantFrom("job_id", "params", "limits", "settings")),
  values: [hostileText, fc.double(), fc.integer(), fc.boolean(), fc.constant(null)],
  withNullPrototype: false,
  maxDepth: 4,
});
const FIELDS = [
  "job_id",
  "callback_url",
  "provider",
  "connection",
  "params",
  "events",
  "payload",
  "metadata",
  "secret",
  "headers",
  "deadline_s",
  "name",
  "scopes",
  "credential",
  "base_url",
  "settings",
  "state",
  "subscriptions",
  "__proto__",
  "constructor",
  "toString",
];
const wish = fc
  .dictionary(fc.constantFrom(...FIELDS), hostileValue)
  .chain((fields) =>
    fc.constantFrom(
      fields,
      { job_id: "a", callback_url: CALLBACK_URL, ...fields },
      { provider: "pulse", credential: "x", ...fields },
      { subscriptions: [{ job_id: "a", callback_url: CALLBACK_URL, ...fields }] },
    ),
  );

describe("no input makes the API fail", () => {
  it.each(BODY_ROUTES)("%s %s with any JSON, and with any fields", async (method, path) => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(wish, hostileValue), async (value) => {
        const body = JSON.stringify(value) ?? "null";
        await expectJudged(await api.request(method, path, { body }));
      }),
      RUNS,
    );
  });

  it.each(BODY_ROUTES)("%s %s with any bytes", async (method, path) => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
        const key = await keyOnce();
        const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
        const body = new Uint8Array(bytes);
        await expectJudged(await api.app.request(path, { method, headers, body }));
      }),
      RUNS,
    );
  });

  it.each(LISTS)("GET %s with any query", async (path) => {
    const name = fc.constantFrom(
      "limit",
      "cursor",
      "status",
      "job_id",
      "provider",
      "connection",
      "created_after",
      "callback_origin",
      "__proto__",
      "x",
    );
    const value = fc.oneof(
      hostileText,
      fc.date().map((date) => String(date)),
      fc.nat().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 4 }), async (parameters) => {
        const query = parameters
          .map(([key, text]) => `${key}=${encodeURIComponent(text.toWellFormed())}`)
          .join("&");
        await expectJudged(await api.request("GET", `${path}?${query}`));
      }),
      RUNS,
    );
  });

  it("no path makes the API fail", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("subscriptions", "deliveries", "events", "connections"),
        hostileText,
        fc.constantFrom("", "/poll", "/result", "/redeliver"),
        async (resource, id, rest) => {
          const path = `/v1/${resource}/${encodeURIComponent(id.toWellFormed())}${rest}`;
          await expectJudged(await api.request("GET", path));
        },
      ),
      RUNS,
    );
  });

  it.each([
    ["a hundred thousand levels", `{"job_id": ${"[".repeat(1e5)}${"]".repeat(1e5)}}`],
    [
      "deep metadata",
      `{"job_id": "a", "callback_url": "${CALLBACK_URL}", "metadata": ${'{"a":'.repeat(4e4)}1${"}".repeat(4e4)}}`,
    ],
    ["many keys", `{${Array.from({ length: 20_000 }, (_, at) => `"k${at}":0`).join(",")}}`],
    ["many events", `{"events": [${"0,".repeat(1e5)}0]}`],
    [
      "many headers",
      `{"headers": {${Array.from({ length: 15_000 }, (_, at) => `"h${at}":0`).join(",")}}}`,
    ],
    ["many items", `{"subscriptions": [${"0,".repeat(1e5)}0]}`],
    ["a long number", `{"deadline_s": ${"9".repeat(1e5)}}`],
    ["a long string", `{"callback_url": "${"x".repeat(2e5)}"}`],
    ["many errors in one string", `{"secret": "${"\\u0000".repeat(3e4)}"}`],
  ])(
    "hostile input with %s never makes the API fail, and gets a quick and short answer",
    async (_name, body) => {
      for (const [method, path] of BODY_ROUTES) {
        const before = process.cpuUsage();
        const response = await api.request(method, path, { body });
        const text = await response.text();
        expect([404, 413, 422]).toContain(response.status);
        expect(text.length).toBeLessThan(20_000);
        const { user, system } = process.cpuUsage(before);
        // CPU time, because other work on the machine does not count towards it.
        expect((user + system) / 1000).toBeLessThan(1_000);
      }
    },
  );
});

let key: Promise<string> | undefined;
function keyOnce(): Promise<string> {
  return (key ??= api.addKey(["admin"]));
}
