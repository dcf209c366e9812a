import type { ProviderFixtures } from "../fixture.ts";

const CREATED = "2026-01-01T00:00:00Z";
const UPDATED = "2026-01-01T00:00:09Z";

function job(status: string, more: object = {}) {
  return { job_id: "abc123", status, created_at: CREATED, updated_at: UPDATED, ...more };
}

function refusal(code: string, message: string) {
  return { error: { code, message, details: {} } };
}

const CANCELED = { canceled: "The upstream reports that the job was canceled." };
const BATCH = { total: 10, completed: 3, failed: 0 };

export const pulseFixtures = {
  provider: "pulse",
  job: { id: "abc123" },
  requests: {
    status: "GET https://api.runpulse.com/job/abc123",
    cancel: "DELETE https://api.runpulse.com/job/abc123",
    headers: { "x-api-key": "key" },
  },
  answers: {
    pending: { body: job("pending"), means: { running: "pending" } },
    queued: { body: job("queued"), means: { running: "pending" } },
    processing: {
      body: job("processing"),
      means: { running: "processing" },
      times: [CREATED, UPDATED],
    },
    "processing, a batch": {
      body: job("processing", { result: { progress: BATCH } }),
      means: { running: "processing", progress: BATCH },
    },
    completed: { body: job("completed", { result: { n: 1 } }), means: { completed: { n: 1 } } },
    failed: {
      body: job("failed", { error: "Page 3 is unreadable" }),
      means: { failed: "Page 3 is unreadable" },
    },
    canceled: { body: job("canceled"), means: CANCELED },
    cancelled: { body: job("cancelled"), means: CANCELED },
    expired: {
      body: job("expired", { result: { expired: true } }),
      means: { expired: "The upstream reports that the job has expired." },
    },
    "asked for a result too early": {
      status: 409,
      body: refusal("JOB_004", "Still processing"),
      means: { running: "processing" },
    },
    "a job that failed, told as an error": {
      status: 500,
      body: refusal("JOB_005", "Extraction failed"),
      means: { failed: "Extraction failed (JOB_005)" },
    },
    "a wrong key": {
      status: 401,
      body: refusal("AUTH_002", "Invalid API key"),
      means: { credential_rejected: "HTTP 401: Invalid API key (AUTH_002)" },
    },
    "an account that is not paid": {
      status: 402,
      body: refusal("BILLING_002", "Payment required"),
      means: { credential_rejected: "HTTP 402: Payment required (BILLING_002)" },
    },
    "an unknown job": {
      status: 404,
      body: refusal("JOB_001", "Job not found"),
      isFirst: true,
      means: { retry: "not_visible_yet", says: "HTTP 404: Job not found (JOB_001)" },
    },
    "a job that has gone": {
      status: 410,
      body: refusal("JOB_003", "Job expired"),
      means: { expired: "Job expired (JOB_003)" },
    },
    "too many requests": {
      status: 429,
      headers: { "x-ratelimit-reset": "1767225630" },
      body: refusal("GENERAL_004", "Rate limited"),
      means: { retry: "rate_limited", says: "HTTP 429: Rate limited (GENERAL_004)", wait_s: 30 },
    },
    "too many requests, told as an outage": {
      status: 503,
      body: refusal("PROC_004", "Too many jobs"),
      means: { retry: "rate_limited", says: "HTTP 503: Too many jobs (PROC_004)" },
    },
    "an outage": {
      status: 503,
      body: refusal("GENERAL_002", "Service unavailable"),
      means: { retry: "upstream_fault", says: "HTTP 503: Service unavailable (GENERAL_002)" },
    },
  },
} satisfies ProviderFixtures;
