import { PAGE_AS_RESULT, type ProviderFixtures } from "../fixture.ts";

function batch(status: string, more: object = {}) {
  return {
    id: "batch_abc123",
    object: "batch",
    endpoint: "/v1/chat/completions",
    errors: null,
    input_file_id: "file-abc123",
    completion_window: "24h",
    status,
    output_file_id: null,
    error_file_id: null,
    created_at: 1714508499,
    in_progress_at: null,
    expires_at: 1714594899,
    request_counts: { total: 100, completed: 95, failed: 5 },
    metadata: null,
    ...more,
  };
}

const PROGRESS = { total: 100, completed: 95, failed: 5 };
const ALL_FAILED = batch("completed", {
  error_file_id: "file-err456",
  request_counts: { total: 100, completed: 0, failed: 100 },
});
const WITHOUT_FILE = batch("completed", { error_file_id: "file-err456" });

function refusal(message: string, code: string | null = null) {
  return { error: { message, type: "invalid_request_error", param: null, code } };
}

export const openaiBatchFixtures = {
  provider: "openai-batch",
  job: { id: "batch_abc123" },
  requests: {
    status: "GET https://api.openai.com/v1/batches/batch_abc123",
    cancel: "POST https://api.openai.com/v1/batches/batch_abc123/cancel",
    headers: { authorization: "Bearer key" },
  },
  answers: {
    validating: { body: batch("validating"), means: { running: "pending", progress: PROGRESS } },
    in_progress: {
      headers: { "openai-poll-after-ms": "5000" },
      body: batch("in_progress", { in_progress_at: 1714508599 }),
      means: { running: "processing", progress: PROGRESS, wait_s: 5 },
      times: ["1714508499", "1714508599"],
    },
    finalizing: {
      body: batch("finalizing"),
      means: { running: "processing", progress: PROGRESS },
    },
    cancelling: {
      body: batch("cancelling"),
      means: { running: "processing", progress: PROGRESS },
    },
    completed: {
      body: batch("completed", { output_file_id: "file-cvaTdG", completed_at: 1714512099 }),
      means: { asks: "GET https://api.openai.com/v1/files/file-cvaTdG/content" },
      times: ["1714508499", "1714512099"],
    },
    "completed, every request failed": {
      body: ALL_FAILED,
      means: {
        failed: "All requests of the batch failed; the file error_file_id of the batch says why.",
      },
    },
    "completed, without a file": { body: WITHOUT_FILE, means: { completed: WITHOUT_FILE } },
    failed: {
      body: batch("failed", {
        errors: {
          object: "list",
          data: [
            {
              code: "invalid_json_line",
              message: "This line is not parseable as valid JSON.",
              param: null,
              line: 4,
            },
          ],
        },
      }),
      means: { failed: "This line is not parseable as valid JSON. (invalid_json_line)" },
    },
    cancelled: {
      body: batch("cancelled", { cancelled_at: 1714509000 }),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    expired: {
      body: batch("expired", { expired_at: 1714594899 }),
      means: { expired: "The upstream reports that the job has expired." },
    },
    "a wrong key": {
      status: 401,
      body: refusal("Incorrect API key provided: sk-abc.", "invalid_api_key"),
      means: {
        credential_rejected: "HTTP 401: Incorrect API key provided: sk-abc. (invalid_api_key)",
      },
    },
    "an unknown batch": {
      status: 404,
      body: refusal("No batch found with id 'batch_abc123'."),
      means: {
        expired:
          "The upstream no longer knows the job. HTTP 404: No batch found with id 'batch_abc123'.",
      },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after-ms": "1500", "retry-after": "2" },
      body: refusal("Rate limit reached for requests", "rate_limit_exceeded"),
      means: {
        retry: "rate_limited",
        says: "HTTP 429: Rate limit reached for requests (rate_limit_exceeded)",
        wait_s: 1.5,
      },
    },
    "an outage": {
      status: 500,
      body: { error: { message: "The server had an error.", type: "server_error" } },
      means: { retry: "upstream_fault", says: "HTTP 500: The server had an error." },
    },
  },
  results: {
    "a proxy's page in place of it": PAGE_AS_RESULT,
    "the output file": {
      headers: { "content-type": "application/octet-stream" },
      body: '{"custom_id":"1","response":{"status_code":200}}\n{"custom_id":"2","response":{"status_code":200}}\n',
      means: {
        completed:
          '{"custom_id":"1","response":{"status_code":200}}\n{"custom_id":"2","response":{"status_code":200}}\n',
      },
    },
    "a file that was deleted": {
      status: 404,
      body: refusal("No such File object: file-cvaTdG"),
      means: {
        expired:
          "The job completed, but its result is gone. HTTP 404: No such File object: file-cvaTdG",
      },
    },
  },
} satisfies ProviderFixtures;
