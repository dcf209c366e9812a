import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, FAILED, NO_PAGE } from "../ending-words.ts";

/** Shared by all of OpenAI's APIs. */
export const OPENAI_SERVICE: Pick<ProviderDefinitionSource, "base_url" | "auth" | "poll_hints"> = {
  base_url: "https://api.openai.com",
  auth: { kind: "bearer" },
  poll_hints: [{ header: "openai-poll-after-ms", unit: "ms" }],
};

const STATUS = { pointer: "/status" };

/** A file of requests, answered within a day; the results are another file. */
export const openaiBatch = {
  ...OPENAI_SERVICE,
  name: "openai-batch",
  title: "OpenAI batches",
  documentation_url: "https://platform.openai.com/docs/api-reference/batch",
  notes:
    "The result is the output file, JSON Lines as one text. Without one, or above " +
    "answer_bytes_max, it is the batch itself, which names its files. A batch whose requests all " +
    "failed has failed. Requests that failed are " +
    "in the file error_file_id. A batch that was canceled or has expired may have a partial output " +
    "file, which is not fetched.",
  status: { path: "/v1/batches/{job_id}" },
  submit: [{ path: "/v1/batches", job_id: { pointer: "/id" } }],
  cancel: { method: "POST", path: "/v1/batches/{job_id}/cancel" },
  rules: [
    {
      http_status: 200,
      all: [{ ...STATUS, eq: "validating" }],
      observe: "running",
      phase: "pending",
    },
    {
      http_status: 200,
      all: [{ ...STATUS, in: ["in_progress", "finalizing", "cancelling", "canceling"] }],
      observe: "running",
    },
    {
      http_status: 200,
      all: [
        { ...STATUS, ...COMPLETED },
        { pointer: "/output_file_id", empty: true },
        { pointer: "/request_counts/completed", eq: 0 },
        { pointer: "/request_counts/failed", not_eq: 0 },
      ],
      observe: "failed",
      error: "All requests of the batch failed; the file error_file_id of the batch says why.",
    },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED }], observe: "canceled" },
    { http_status: 200, all: [{ ...STATUS, eq: "expired" }], observe: "expired" },
  ],
  extract: {
    status: ["/status"],
    progress: ["/request_counts"],
    // For a batch that failed its validation, or a request that was refused.
    error: ["/errors/data/0", "/error"],
    created_at: ["/created_at"],
    updated_at: ["/completed_at", "/failed_at", "/cancelled_at", "/expired_at", "/in_progress_at"],
  },
  result: {
    kind: "request",
    request: { path: "/v1/files/{answer./output_file_id}/content" },
    format: "text",
    rules: [NO_PAGE],
  },
  schedule: { kind: "exponential", initial_s: 5, factor: 1.5, cap_s: 60 },
  limits: { concurrency: 16, requests_per_second: 5, burst: 5 },
  // A batch is given 24 h, and some more to be assembled.
  deadline_s: 36 * 3600,
} as const satisfies ProviderDefinitionSource;
