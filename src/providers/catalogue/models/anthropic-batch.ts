import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { NO_PAGE } from "../ending-words.ts";

const ENDED = { pointer: "/processing_status", eq: "ended" };
const NONE_SUCCEEDED = { pointer: "/request_counts/succeeded", eq: 0 };

/** A batch of messages, answered within a day. */
export const anthropicBatch = {
  name: "anthropic-batch",
  title: "Anthropic message batches",
  documentation_url: "https://docs.anthropic.com/en/api/retrieving-message-batches",
  notes:
    "The result is the file at results_url, JSON Lines as one text, in no particular order: " +
    "custom_id tells the requests apart. It holds the requests that failed too, so that a batch that " +
    "ended counts as completed unless no request succeeded and it was canceled or ran out of time. " +
    "Above answer_bytes_max the result is the batch itself. The batch endpoints take 50 requests a " +
    "minute in the lowest tier (‡ as of 2026); raise the connection's limits for a higher one.",
  base_url: "https://api.anthropic.com",
  auth: { kind: "header", name: "x-api-key" },
  headers: { "anthropic-version": "2023-06-01" },
  status: { path: "/v1/messages/batches/{job_id}" },
  submit: [{ path: "/v1/messages/batches", job_id: { pointer: "/id" } }],
  cancel: { method: "POST", path: "/v1/messages/batches/{job_id}/cancel" },
  rules: [
    {
      note: "Results are kept for 29 days.",
      http_status: 200,
      all: [ENDED, { pointer: "/archived_at", empty: false }],
      observe: "expired",
    },
    {
      http_status: 200,
      all: [ENDED, NONE_SUCCEEDED, { pointer: "/cancel_initiated_at", empty: false }],
      observe: "canceled",
    },
    {
      note: "All of it ran out of its 24 h.",
      http_status: 200,
      all: [
        ENDED,
        NONE_SUCCEEDED,
        { pointer: "/request_counts/errored", eq: 0 },
        { pointer: "/request_counts/expired", not_eq: 0 },
      ],
      observe: "expired",
    },
    { http_status: 200, all: [ENDED], observe: "completed" },
    {
      http_status: 200,
      all: [{ pointer: "/processing_status", in: ["in_progress", "canceling", "cancelling"] }],
      observe: "running",
    },
  ],
  extract: {
    status: ["/processing_status"],
    progress: ["/request_counts"],
    error: ["/error"],
    created_at: ["/created_at"],
    updated_at: ["/ended_at"],
  },
  result: {
    kind: "request",
    request: { url_at: ["/results_url"] },
    format: "text",
    rules: [NO_PAGE],
  },
  schedule: { kind: "exponential", initial_s: 10, factor: 1.5, cap_s: 60 },
  limits: { concurrency: 4, requests_per_second: 0.8, burst: 4 },
  rate_limit_reset_headers: ["anthropic-ratelimit-requests-reset"],
  deadline_s: 36 * 3600,
} as const satisfies ProviderDefinitionSource;
