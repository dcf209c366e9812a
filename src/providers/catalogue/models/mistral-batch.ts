import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, FAILED, NO_PAGE } from "../ending-words.ts";

const STATUS = { pointer: "/status" };

/** A batch of requests to Mistral's models. */
export const mistralBatch = {
  name: "mistral-batch",
  title: "Mistral batch jobs",
  documentation_url: "https://docs.mistral.ai/capabilities/batch",
  notes:
    "The result is the output file, JSON Lines as one text; without one, or above answer_bytes_max, " +
    "it is the job itself, which names its files. Requests that failed are in error_file. A job runs " +
    "for as long as its timeout_hours say, a day unless given.",
  base_url: "https://api.mistral.ai",
  auth: { kind: "bearer" },
  status: { path: "/v1/batch/jobs/{job_id}" },
  submit: [{ path: "/v1/batch/jobs", job_id: { pointer: "/id" } }],
  cancel: { method: "POST", path: "/v1/batch/jobs/{job_id}/cancel" },
  rules: [
    { http_status: 200, all: [{ ...STATUS, eq: "QUEUED" }], observe: "running", phase: "pending" },
    {
      http_status: 200,
      all: [{ ...STATUS, in: ["RUNNING", "CANCELLATION_REQUESTED"] }],
      observe: "running",
    },
    {
      http_status: 200,
      all: [
        { ...STATUS, ...COMPLETED },
        { pointer: "/output_file", empty: true },
        { pointer: "/succeeded_requests", eq: 0 },
        { pointer: "/failed_requests", not_eq: 0 },
      ],
      observe: "failed",
      error: "All requests of the job failed; its error_file says why.",
    },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    {
      http_status: 200,
      all: [{ ...STATUS, ...FAILED }],
      observe: "failed",
    },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED }], observe: "canceled" },
  ],
  extract: {
    status: ["/status"],
    progress: {
      total: "/total_requests",
      completed: "/completed_requests",
      succeeded: "/succeeded_requests",
      failed: "/failed_requests",
    },
    error: ["/errors/0", "/message", "/detail"],
    created_at: ["/created_at"],
    updated_at: ["/completed_at", "/started_at"],
  },
  result: {
    kind: "request",
    request: { path: "/v1/files/{answer./output_file}/content" },
    format: "text",
    rules: [NO_PAGE],
  },
  schedule: { kind: "exponential", initial_s: 5, factor: 1.5, cap_s: 60 },
  limits: { concurrency: 4, requests_per_second: 1, burst: 4 },
  deadline_s: 36 * 3600,
  // timeout_hours is a week at most.
  deadline_s_max: 8 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
