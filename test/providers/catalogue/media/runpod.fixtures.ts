import type { ProviderFixtures } from "../fixture.ts";

function job(status: string, more: object = {}) {
  return { id: "60902e6c-u1", status, delayTime: 31618, ...more };
}

export const runpodFixtures = {
  provider: "runpod",
  job: { id: "60902e6c-u1", params: { endpoint: "abc123" } },
  requests: {
    status: "GET https://api.runpod.ai/v2/abc123/status/60902e6c-u1",
    cancel: "POST https://api.runpod.ai/v2/abc123/cancel/60902e6c-u1",
    headers: { authorization: "Bearer key" },
  },
  answers: {
    IN_QUEUE: { body: job("IN_QUEUE"), means: { running: "pending" } },
    IN_PROGRESS: {
      body: job("IN_PROGRESS", { output: "Update 2/3" }),
      means: { running: "processing", progress: "Update 2/3" },
    },
    RUNNING: { body: job("RUNNING"), means: { running: "processing" } },
    COMPLETED: {
      body: job("COMPLETED", { executionTime: 1437, output: { text: ["Hello!"] } }),
      means: { completed: { text: ["Hello!"] } },
    },
    FAILED: {
      body: job("FAILED", { error: "handler: CUDA out of memory" }),
      means: { failed: "handler: CUDA out of memory" },
    },
    TIMED_OUT: { body: job("TIMED_OUT"), means: { failed: "TIMED_OUT" } },
    CANCELLED: { body: job("CANCELLED"), means: { canceled: "CANCELLED" } },
    "a wrong key": {
      status: 401,
      body: "",
      means: { credential_rejected: "HTTP 401" },
    },
    "older than 30 minutes": {
      status: 404,
      body: { error: "job not found" },
      means: { expired: "The upstream no longer knows the job. HTTP 404: job not found" },
    },
    "too many requests": {
      status: 429,
      body: { error: "too many requests" },
      means: { retry: "rate_limited", says: "HTTP 429: too many requests" },
    },
  },
} satisfies ProviderFixtures;
