import fc from "fast-check";
import { expect, test } from "vitest";
import {
  callbackBody,
  EVENT_TYPES,
  type EventContent,
  eventMask,
  eventTypesOfMask,
} from "../../../src/core/delivery/event.ts";

const EVENT: EventContent = {
  type: "job.completed",
  occurredAtMs: Date.UTC(2026, 0, 1),
  jobId: "abc123-def456",
  provider: "pulse",
  createdAt: "2025-12-31T23:59:00Z",
  updatedAt: "2025-12-31T23:59:59Z",
  error: null,
  result: '{"n": 12345678901234567890, "x": 1.0}',
  progress: null,
  resultFetch: null,
};
const ADDRESSEE = {
  subscriptionId: "sub_1",
  metadata: '{"invoice": 17.0}',
  fetchResult: false,
};

test("a completed job's callback has the documented shape and the result's own digits", () => {
  expect(callbackBody(EVENT, ADDRESSEE, null)).toBe(
    '{"type":"job.completed","timestamp":"2026-01-01T00:00:00.000Z","data":{' +
      '"job_id":"abc123-def456","status":"completed","provider":"pulse",' +
      '"created_at":"2025-12-31T23:59:00Z","updated_at":"2025-12-31T23:59:59Z",' +
      '"result":{"n": 12345678901234567890, "x": 1.0},' +
      '"subscription_id":"sub_1","metadata":{"invoice": 17.0}}}',
  );
});

test("in an event by reference, a URL takes the place of the result", () => {
  const { data } = JSON.parse(
    callbackBody(EVENT, ADDRESSEE, "https://ringback.test/v1/events/evt_1/result"),
  );
  expect(data.result_url).toBe("https://ringback.test/v1/events/evt_1/result");
  expect(data).not.toHaveProperty("result");
});

test.each([
  ["job.failed", "failed"],
  ["job.canceled", "canceled"],
  ["job.expired", "expired"],
  ["job.timed_out", "timed_out"],
] as const)("%s tells its error and no result", (type, status) => {
  const body = callbackBody({ ...EVENT, type, error: "why", result: null }, ADDRESSEE, null);
  const { data } = JSON.parse(body);
  expect(data).toMatchObject({ status, error: "why" });
  expect(data).not.toHaveProperty("result");
});

test("job.progress carries the upstream's progress and the status processing", () => {
  const event = { ...EVENT, type: "job.progress", result: null, progress: '{"done":1}' } as const;
  const { type, data } = JSON.parse(callbackBody(event, ADDRESSEE, null));
  expect(type).toBe("job.progress");
  expect(data).toMatchObject({ status: "processing", progress: { done: 1 } });
});

test("where the upstream gives no times, that of the event is used", () => {
  const body = callbackBody({ ...EVENT, createdAt: null, updatedAt: null }, ADDRESSEE, null);
  expect(JSON.parse(body).data).toMatchObject({
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
  });
});

test("the outcome of fetching the result is in the events that it concerns", () => {
  const event = { ...EVENT, resultFetch: '{"status":"failed","error":"gone"}' };
  const told = callbackBody(event, { ...ADDRESSEE, fetchResult: true }, null);
  expect(JSON.parse(told).data.result_fetch).toEqual({ status: "failed", error: "gone" });
  expect(JSON.parse(callbackBody(event, ADDRESSEE, null)).data).not.toHaveProperty("result_fetch");
});

test("whatever texts and JSON go in, the body is JSON and gives them back", () => {
  fc.assert(
    fc.property(fc.string(), fc.json(), fc.json(), (text, result, metadata) => {
      const body = callbackBody(
        { ...EVENT, jobId: text, result },
        { ...ADDRESSEE, metadata },
        null,
      );
      const { data } = JSON.parse(body);
      expect(data.job_id).toBe(text);
      expect(data.result).toEqual(JSON.parse(result));
      expect(data.metadata).toEqual(JSON.parse(metadata));
    }),
  );
});

test("a mask keeps exactly the types it was made of", () => {
  fc.assert(
    fc.property(fc.subarray([...EVENT_TYPES]), (types) => {
      expect(eventTypesOfMask(eventMask(types))).toEqual(types);
    }),
  );
});

test("each type's bit never changes, since masks are stored", () => {
  expect(EVENT_TYPES.map((type) => [type, eventMask([type])])).toEqual([
    ["job.completed", 1],
    ["job.failed", 2],
    ["job.canceled", 4],
    ["job.expired", 8],
    ["job.timed_out", 16],
    ["job.processing", 32],
    ["job.progress", 64],
  ]);
});
