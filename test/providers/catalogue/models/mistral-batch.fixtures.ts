import { PAGE_AS_RESULT, type ProviderFixtures } from "../fixture.ts";

const PROGRESS = { total: 100, completed: 60, succeeded: 58, failed: 2 };

function batch(status: string, more: object = {}) {
  return {
    id: "job-1",
    object: "batch",
    input_files: ["file-in"],
    endpoint: "/v1/chat/completions",
    model: "mistral-small-latest",
    output_file: null,
    error_file: null,
    errors: [],
    status,
    created_at: 1732000000,
    total_requests: 100,
    completed_requests: 60,
    succeeded_requests: 58,
    failed_requests: 2,
    started_at: 1732000060,
    completed_at: null,
    ...more,
  };
}

const ALL_FAILED = batch("SUCCESS", {
  error_file: "file-err",
  succeeded_requests: 0,
  failed_requests: 100,
});
const WITHOUT_FILE = batch("SUCCESS", { error_file: "file-err" });

export const mistralBatchFixtures = {
  provider: "mistral-batch",
  job: { id: "job-1" },
  requests: {
    status: "GET https://api.mistral.ai/v1/batch/jobs/job-1",
    cancel: "POST https://api.mistral.ai/v1/batch/jobs/job-1/cancel",
    headers: { authorization: "Bearer key" },
  },
  answers: {
    QUEUED: { body: batch("QUEUED"), means: { running: "pending", progress: PROGRESS } },
    RUNNING: {
      body: batch("RUNNING"),
      means: { running: "processing", progress: PROGRESS },
      times: ["1732000000", "1732000060"],
    },
    CANCELLATION_REQUESTED: {
      body: batch("CANCELLATION_REQUESTED"),
      means: { running: "processing", progress: PROGRESS },
    },
    SUCCESS: {
      body: batch("SUCCESS", { output_file: "file-out", completed_at: 1732000500 }),
      means: { asks: "GET https://api.mistral.ai/v1/files/file-out/content" },
      times: ["1732000000", "1732000500"],
    },
    "SUCCESS, every request failed": {
      body: ALL_FAILED,
      means: { failed: "All requests of the job failed; its error_file says why." },
    },
    "SUCCESS, without a file": { body: WITHOUT_FILE, means: { completed: WITHOUT_FILE } },
    FAILED: {
      body: batch("FAILED", { errors: [{ message: "The model does not exist", count: 1 }] }),
      means: { failed: "The model does not exist" },
    },
    TIMEOUT_EXCEEDED: {
      body: batch("TIMEOUT_EXCEEDED"),
      means: { failed: "The upstream reports that the job failed and gives no reason." },
    },
    CANCELLED: {
      body: batch("CANCELLED"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a wrong key": {
      status: 401,
      body: { detail: "Unauthorized" },
      means: { credential_rejected: "HTTP 401: Unauthorized" },
    },
    "an unknown job": {
      status: 404,
      body: { object: "error", message: "Batch job not found", type: "not_found", code: 1900 },
      means: { expired: "The upstream no longer knows the job. HTTP 404: Batch job not found" },
    },
    "too many requests": {
      status: 429,
      body: { object: "error", message: "Requests rate limit exceeded", code: "1300" },
      means: { retry: "rate_limited", says: "HTTP 429: Requests rate limit exceeded" },
    },
  },
  results: {
    "a proxy's page in place of it": PAGE_AS_RESULT,
    "the output file": {
      headers: { "content-type": "application/octet-stream" },
      body: '{"custom_id":"0","response":{"status_code":200}}\n',
      means: { completed: '{"custom_id":"0","response":{"status_code":200}}\n' },
    },
  },
} satisfies ProviderFixtures;
