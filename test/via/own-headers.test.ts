import { z } from "@hono/zod-openapi";
import type { TestContext } from "vitest";
import { describe, expect, test } from "vitest";
import { submitThroughOperation } from "../../src/api/docs/submit-through.ts";
import { OWN_HEADERS } from "../../src/via/options.ts";
import type { Json } from "../support/api-client.ts";
import { useScenes } from "../end-to-end/scene.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { openJobApi } from "../support/job-api.ts";
import { exchange } from "./raw-exchange.ts";

const openScene = useScenes();
const CALLBACK = "https://receiver.example/hook";

/** Values that each header must not have; empty ones and repeated ones are tried with all. */
const BAD_VALUES: Readonly<Record<keyof typeof OWN_HEADERS, readonly string[]>> = {
  key: ["nonsense", "rb_unknown", `${API_KEY}x`, `Bearer ${API_KEY}`],
  callbackUrl: [
    "ftp://a.example/x",
    "/hook",
    "not a url",
    "https://",
    "javascript:alert(1)",
    "http://10.0.0.1/x",
    "https://169.254.169.254/latest",
    "https://user:password@a.example/x",
    `https://a.example/${"x".repeat(3_000)}`,
  ],
  inbox: ["no name", "../x", "-x", "x".repeat(65), "a%00"],
  metadata: [
    "{",
    "[]",
    "1",
    "null",
    '"text"',
    "{'a':1}",
    `{"a":"${"x".repeat(5_000)}"}`,
    `{"a":${"[".repeat(100)}${"]".repeat(100)}}`,
  ],
  events: ["job.nope", "job.completed,", ",", "job.completed;job.failed", "*"],
  payload: ["half", "FULL", "full, thin"],
  deadline: ["0", "-1", "1.5", "1e3", "soon", "0x10", "9999999999", "999999999"],
  idempotencyKey: ["x".repeat(256), "caf\u00e9", "a\tb"],
  serveStatus: ["maybe", "cached, upstream"],
};

/** An API that must not be asked, and how to send it a submission with these headers. */
async function open(context: TestContext) {
  const scene = await openScene(context);
  const api = await openJobApi(context, () => ({ status: 202, body: { job_id: "j" } }));
  const connection = await scene.connect({ base_url: api.origin });
  const withCallback = await scene.connect({ base_url: api.origin, callback_url: CALLBACK });
  const sender =
    ({ id }: Json) =>
    (headers: readonly string[]) =>
      exchange(scene.gateway.url, {
        line: `POST /via/${id}/extract HTTP/1.1`,
        headers: [`x-api-key: ${API_KEY}`, "content-type: application/json", ...headers],
        body: "{}",
      });
  return { api, send: sender(connection), sendWithCallback: sender(withCallback) };
}

describe("a bad value", () => {
  test.for(Object.entries(OWN_HEADERS))(
    "a bad value of %s (%s) is refused before anything is sent upstream, whatever else says where the callback goes",
    async ([kind, name], context) => {
      const { api, send, sendWithCallback } = await open(context);
      for (const value of BAD_VALUES[kind as keyof typeof OWN_HEADERS]) {
        const bad = `${name}: ${value}`;
        const answers = [await send([bad]), await sendWithCallback([bad])];
        for (const beside of [`ringback-callback-url: ${CALLBACK}`, "ringback-inbox: orders"]) {
          if (!beside.startsWith(`${name}:`)) answers.push(await send([beside, bad]));
        }
        for (const { status, body } of answers) expectRefused(name, value, status, body);
      }
      expect(api.requests).toEqual([]);
    },
  );
});

/** The problem names the header and says what would be valid. */
function expectRefused(name: string, value: string, status: number, body: string): void {
  const problem: Json = JSON.parse(body);
  if (name === OWN_HEADERS.key) {
    expect(problem, value).toMatchObject({ status: 401, code: "unauthorized" });
    return;
  }
  const isOfUrl = problem.code === "callback_url_refused";
  expect(status, `${name}: ${value}`).toBe(isOfUrl ? 422 : 400);
  expect(problem).toMatchObject({ errors: [{ header: name, detail: expect.any(String) }] });
  expect(problem.detail).toBe(`${name}: ${problem.errors[0].detail}`);
}

test("an empty, a repeated and a misspelt header of the gateway are refused", async (context) => {
  const { api, send } = await open(context);
  for (const name of Object.values(OWN_HEADERS)) {
    const empty = await send([`${name}:`]);
    expect(empty.status, name).toBe(name === OWN_HEADERS.key ? 401 : 400);
    if (name === OWN_HEADERS.events) continue;
    const twice = await send([`${name}: ${CALLBACK}`, `${name}: ${CALLBACK}`]);
    expect(twice.status, name).toBe(name === OWN_HEADERS.key ? 401 : 400);
  }
  const misspelt = await send([`ringback-calback-url: ${CALLBACK}`]);
  expect(misspelt.status).toBe(400);
  expect(misspelt.body).toContain(OWN_HEADERS.callbackUrl);
  expect(api.requests).toEqual([]);
});

test("events may come in several lines, and metadata in UTF-8 or Latin-1", async (context) => {
  const scene = await openScene(context);
  let jobs = 0;
  const api = await openJobApi(context, () => ({
    status: 202,
    body: { job_id: `j${(jobs += 1)}`, status: "pending" },
  }));
  const connection = await scene.connect({ base_url: api.origin });
  for (const text of ["caf\u00e9", Buffer.from("caf\u00e9").toString("latin1")]) {
    const { headers } = await exchange(scene.gateway.url, {
      line: `POST /via/${connection.id}/extract HTTP/1.1`,
      headers: [
        `x-api-key: ${API_KEY}`,
        "ringback-inbox: orders",
        "ringback-events: job.completed",
        "ringback-events: job.failed",
        `ringback-metadata: {"a":"${text}"}`,
      ],
    });
    const id = headers["ringback-subscription-id"] ?? "";
    expect(await scene.look(`/v1/subscriptions/${id}`)).toMatchObject({
      events: ["job.completed", "job.failed"],
      metadata: { a: "caf\u00e9" },
    });
  }
});

test("every header of the gateway is in the API's description", () => {
  const headers = submitThroughOperation().request?.headers;
  const described = headers instanceof z.ZodObject ? Object.keys(headers.shape) : [];
  expect(described.toSorted()).toEqual(Object.values(OWN_HEADERS).toSorted());
});
