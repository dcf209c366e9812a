import type { ProviderFixtures } from "../fixture.ts";

const STARTED = "2019-11-30T07:34:24.202Z";
const FINISHED = "2019-11-30T07:36:12.202Z";

function run(status: string, statusMessage: string | null = null) {
  const isOver = ["SUCCEEDED", "FAILED", "TIMED-OUT", "ABORTED"].includes(status);
  return {
    data: {
      id: "HG7ML7M8z78YcAPEB",
      actId: "HDSasDasz78YcAPEB",
      startedAt: STARTED,
      finishedAt: isOver ? FINISHED : null,
      status,
      statusMessage,
      defaultDatasetId: "wmKPijuyDnPZAPRMk",
      defaultKeyValueStoreId: "eJNzqsbPiopwJcgGQ",
    },
  };
}

export const apifyFixtures = {
  provider: "apify",
  job: { id: "HG7ML7M8z78YcAPEB" },
  requests: {
    status: "GET https://api.apify.com/v2/actor-runs/HG7ML7M8z78YcAPEB",
    cancel: "POST https://api.apify.com/v2/actor-runs/HG7ML7M8z78YcAPEB/abort",
    headers: { authorization: "Bearer key" },
  },
  answers: {
    READY: { body: run("READY"), means: { running: "pending" } },
    RUNNING: {
      body: run("RUNNING", "Crawled 3 of 10 pages"),
      means: { running: "processing", progress: "Crawled 3 of 10 pages" },
      times: [STARTED, null],
    },
    "TIMING-OUT": { body: run("TIMING-OUT"), means: { running: "processing" } },
    ABORTING: { body: run("ABORTING"), means: { running: "processing" } },
    SUCCEEDED: {
      body: run("SUCCEEDED"),
      means: {
        asks: "GET https://api.apify.com/v2/actor-runs/HG7ML7M8z78YcAPEB/dataset/items?format=json",
      },
      times: [STARTED, FINISHED],
    },
    FAILED: {
      body: run("FAILED", "The Actor process was OOM killed"),
      means: { failed: "The Actor process was OOM killed" },
    },
    "TIMED-OUT": { body: run("TIMED-OUT"), means: { failed: "TIMED-OUT" } },
    ABORTED: { body: run("ABORTED"), means: { canceled: "ABORTED" } },
    "a wrong token": {
      status: 401,
      body: { error: { type: "invalid-token", message: "Authentication token is not valid." } },
      means: { credential_rejected: "HTTP 401: Authentication token is not valid." },
    },
    "an unknown run": {
      status: 404,
      body: { error: { type: "record-not-found", message: "Actor run was not found" } },
      means: { expired: "The upstream no longer knows the job. HTTP 404: Actor run was not found" },
    },
    "too many requests": {
      status: 429,
      headers: { "x-ratelimit-limit": "60" },
      body: {
        error: { type: "rate-limit-exceeded", message: "You have exceeded the rate limit." },
      },
      means: { retry: "rate_limited", says: "HTTP 429: You have exceeded the rate limit." },
    },
  },
  results: {
    "the items": {
      body: [{ url: "https://example.com", title: "Example" }],
      means: { completed: [{ url: "https://example.com", title: "Example" }] },
    },
    "no items": { body: [], means: { completed: [] } },
  },
} satisfies ProviderFixtures;
