import type { ProviderFixtures } from "../fixture.ts";

function job(status: string, more: object = {}) {
  return { status, result: null, progress: null, reason: null, ...more };
}

const PARSED = {
  job_id: "7600c8c5",
  duration: 3.2,
  usage: { num_pages: 2, credits: 2 },
  result: { type: "full", chunks: [{ content: "# Invoice", blocks: [] }] },
};
const LARGE = {
  job_id: "7600c8c5",
  duration: 60,
  result: { type: "url", url: "https://prod-storage.s3.amazonaws.com/r.json?X-Amz-Signature=1" },
};

export const reductoFixtures = {
  provider: "reducto",
  job: { id: "7600c8c5" },
  requests: {
    status: "GET https://platform.reducto.ai/job/7600c8c5",
    cancel: "POST https://platform.reducto.ai/cancel/7600c8c5",
    headers: { authorization: "Bearer key" },
  },
  answers: {
    Pending: {
      body: job("Pending", { progress: 0.1 }),
      means: { running: "pending", progress: 0.1 },
    },
    Idle: { body: job("Idle"), means: { running: "pending" } },
    InProgress: {
      body: job("InProgress", { progress: 0.5, created_at: "2026-01-01T00:00:00" }),
      means: { running: "processing", progress: 0.5 },
      times: ["2026-01-01T00:00:00", null],
    },
    Completing: { body: job("Completing"), means: { running: "processing" } },
    Completed: { body: job("Completed", { result: PARSED }), means: { completed: PARSED } },
    "Completed with a link": {
      body: job("Completed", { result: LARGE }),
      means: { completed: LARGE },
    },
    Failed: {
      body: job("Failed", { reason: "The document is encrypted" }),
      means: { failed: "The document is encrypted" },
    },
    Cancelled: {
      body: job("Cancelled"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a wrong key": {
      status: 401,
      body: { detail: "Invalid API key" },
      means: { credential_rejected: "HTTP 401: Invalid API key" },
    },
    "an unknown job": {
      status: 404,
      body: { detail: "Job not found" },
      means: { expired: "The upstream no longer knows the job. HTTP 404: Job not found" },
    },
    "too many requests": {
      status: 429,
      body: { detail: "Too many requests" },
      means: { retry: "rate_limited", says: "HTTP 429: Too many requests" },
    },
  },
} satisfies ProviderFixtures;
