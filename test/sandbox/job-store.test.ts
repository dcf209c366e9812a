import { expect, test } from "vitest";
import type { JobRequest } from "../../src/sandbox/job-request.ts";
import { JobStore } from "../../src/sandbox/job-store.ts";

const SHORT: JobRequest = {
  durationMs: 1000,
  outcome: "completed",
  result: null,
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
  expect(store.find(first?.id ?? "")).toBeNull();
  for (const kept of [endless, second, third]) expect(store.find(kept?.id ?? "")).toBe(kept);
});

test("a store full of jobs that have not ended refuses a new one and keeps them", () => {
  const store = createStore();
  const jobs = [ENDLESS, ENDLESS, SHORT].map((request) => store.create(request, 0));
  expect(store.create(SHORT, 999)).toBeNull();
  for (const job of jobs) expect(store.find(job?.id ?? "")).toBe(job);
  expect(store.create(SHORT, 1000)).not.toBeNull();
});

test("kept results are bounded too", () => {
  const store = createStore();
  const large: JobRequest = { ...SHORT, result: `"${"x".repeat(60)}"` };
  const first = store.create(large, 0);
  expect(store.create(large, 0)).toBeNull();
  expect(store.create(large, 1000)).not.toBeNull();
  expect(store.find(first?.id ?? "")).toBeNull();
  expect(store.size).toBe(1);
});

test("two jobs never share an id, even when the random numbers repeat", () => {
  const numbers = [0.1, 0.2, 0.1, 0.2, 0.3, 0.4];
  const store = new JobStore(() => numbers.shift() ?? 0.9);
  expect(store.create(SHORT, 0)?.id).not.toBe(store.create(SHORT, 0)?.id);
});
