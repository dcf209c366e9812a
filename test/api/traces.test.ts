import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, CALLBACK_URL, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER_ID = "00000000000000000000000000000abc";
const parent = (traceId: string): string => `00-${traceId}-00f067aa0ba902b7-01`;

async function subscribe(wish: object, headers: Record<string, string> = {}): Promise<Json> {
  const body = { job_id: `job-${api.uuid()}`, callback_url: CALLBACK_URL, ...wish };
  const response = await api.request("POST", "/v1/subscriptions", { body, headers });
  if (response.status !== 201) throw new Error(await response.text());
  return response.json();
}

describe("a subscription's trace", () => {
  it("a subscription's trace is the one of the request", async () => {
    const { id, trace_id: traceId } = await subscribe({}, { traceparent: parent(TRACE_ID) });
    expect(traceId).toBe(TRACE_ID);
    const again = await api.request("GET", `/v1/subscriptions/${id}`);
    expect(await again.json()).toMatchObject({ trace_id: TRACE_ID });
  });

  it("a subscription's trace is the one in the body, if there is one", async () => {
    const wish = { traceparent: parent(OTHER_ID), tracestate: "a=1" };
    const { trace_id: traceId } = await subscribe(wish, { traceparent: parent(TRACE_ID) });
    expect(traceId).toBe(OTHER_ID);
  });

  it("a subscription's trace is its own where the request gives none, or rubbish", async () => {
    for (const headers of [{}, { traceparent: "rubbish" }, { tracestate: "a=1" }]) {
      const { id, trace_id: traceId } = await subscribe({}, headers);
      expect(`sub_${traceId}`).toBe(id);
    }
  });

  it("a subscription's trace is each item's own in a batch, or the batch's", async () => {
    const item = { job_id: "traced", callback_url: CALLBACK_URL };
    const response = await api.request("POST", "/v1/subscriptions/batch", {
      body: [item, { ...item, traceparent: parent(OTHER_ID) }],
      headers: { traceparent: parent(TRACE_ID) },
    });
    const { results } = (await response.json()) as Json;
    expect(results.map((one: Json) => one.subscription.trace_id)).toEqual([TRACE_ID, OTHER_ID]);
  });

  it("a subscription's trace does not make a repeated request another one", async () => {
    const wish = { job_id: "repeated" };
    const key = { "idempotency-key": "traced" };
    const first = await subscribe(wish, { ...key, traceparent: parent(TRACE_ID) });
    const again = await subscribe(wish, { ...key, traceparent: parent(OTHER_ID) });
    expect(again).toMatchObject({ id: first.id, trace_id: TRACE_ID });
  });

  it.each([
    ["a traceparent that is none", { traceparent: "rubbish" }, "/traceparent"],
    ["a trace among its own headers", { headers: { TraceParent: "x" } }, "/headers/TraceParent"],
  ])("a subscription's trace can't be %s", async (_what, wish, pointer) => {
    const body = { job_id: "refused", callback_url: CALLBACK_URL, ...wish };
    const response = await api.request("POST", "/v1/subscriptions", { body });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors).toMatchObject([{ pointer }]);
  });
});
