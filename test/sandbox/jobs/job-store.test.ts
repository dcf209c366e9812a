import { expect, test } from "vitest";
import type { JobRequest } from "../../../src/sandbox/jobs/job-request.ts";
import { JobStore } from "../../../src/sandbox/jobs/job-store.ts";

/** With a result of its own, so that it is known from the store only. */
const SHORT: JobRequest = {
  durationMs: 1000,
  outcome: "completed",
  result: "1",
  resultBytes: 0,
  misbehaviour: "none",
  pointer: false,
};
const ENDLESS: JobRequest = { ...SHORT, outcome: "never" };

function createStore(limits = { jobsMax: 3, resultCharactersMax: 100 }): JobStore {
  let next = 0;
  return new JobStore(() => (next += 1) / 1000, limits);
}

test("a full store drops the oldest ended job for a new one, and no other", () => {
  const store = createStore();
  const endless = store.create(ENDLESS, 0);
  const first = store.create(SHORT, 0);
  const second = store.create(SHORT, 0);
  const third = store.create(SHORT, 5000);
  expect(store.size).toBe(3);
  expect(store.find(first?.id ?? "", 0)).toBeNull();
  for (const kept of [endless, second, third]) expect(store.find(kept?.id ?? "", 0)).toBe(kept);
});

test("a store full of jobs that have not ended refuses a new one and keeps them", () => {
  const store = createStore();
  const jobs = [ENDLESS, ENDLESS, SHORT].map((request) => store.create(request, 0));
  expect(store.create(SHORT, 999)).toBeNull();
  for (const job of jobs) expect(store.find(job?.id ?? "", 0)).toBe(job);
  expect(store.create(SHORT, 1000)).not.toBeNull();
});

test("kept results are bounded too", () => {
  const store = createStore();
  const large: JobRequest = { ...SHORT, result: `"${"x".repeat(60)}"` };
  const first = store.create(large, 0);
  expect(store.create(large, 0)).toBeNull();
  expect(store.create(large, 1000)).not.toBeNull();
  expect(store.find(first?.id ?? "", 0)).toBeNull();
  expect(store.size).toBe(1);
});

test("two jobs never share an id, even when the random numbers repeat", () => {
  const numbers = [0.1, 0.2, 0.1, 0.2, 0.3, 0.4];
  const store = new JobStore(() => numbers.shift() ?? 0.9);
  expect(store.create(SHORT, 0)?.id).not.toBe(store.create(SHORT, 0)?.id);
});

test("a job that the store has never seen is known by its id, with all that was asked for", () => {
  const requests: JobRequest[] = [
    { ...SHORT, result: null },
    { ...ENDLESS, result: null, pointer: true },
    { ...SHORT, result: null, outcome: "failed", durationMs: 0, misbehaviour: "not_found_first" },
    { ...SHORT, result: null, outcome: "expired", durationMs: 86_400_000, resultBytes: 1_048_576 },
  ];
  const limits = { jobsMax: 10, resultCharactersMax: 100 };
  for (const request of requests) {
    const job = createStore(limits).create(request, 1_790_000_000_123);
    expect(createStore(limits).find(job?.id ?? "", 1_790_000_000_456)).toEqual(job);
  }
});

test.each([
  "sandbox-own-mi4u2v1k-5b1a2c09",
  "sandbox-nothing-3000ms-mi4u2v1k-5b1a2c09-200b-none",
  "sandbox-completed-3000ms-mi4u2v1k-5b1a2c09-200b-toString",
  "sandbox-completed-3000ms-mi4u2v1k-5b1a2c09-9999999b-none",
  "sandbox-completed-3000ms-mi4u2v1k-5b1a2c09-200b-none-and-more",
  "abc123-def456",
])("%s names no job", (id) => {
  expect(createStore().find(id, 0)).toBeNull();
});

test("jobs known by their ids are bounded as well", () => {
  const store = createStore();
  const ids = [1, 2, 3, 4].map((at) => `sandbox-never-0ms-1-0000000${at}-0b-none`);
  expect(ids.map((id) => store.find(id, 0)?.id ?? null)).toEqual([...ids.slice(0, 3), null]);
});
