import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, FAILED } from "../ending-words.ts";

const SUCCESS = { gte: 200, lte: 299 };
const STATUS = { pointer: "/status", ignore_case: true };
const ERROR_CODE = { pointer: "/error/code" };

/**
 * Pulse document extraction (runpulse.com). Its documentation and its API drift: two spellings
 * of `canceled`, `expired` only in newer pages, and errors whose HTTP status misleads. The rules
 * take all of them; the order matters only where an error code refines a status.
 */
export const pulse = {
  name: "pulse",
  title: "Pulse",
  documentation_url: "https://docs.runpulse.com",
  base_url: "https://api.runpulse.com",
  auth: { kind: "header", name: "x-api-key" },
  status: { path: "/job/{job_id}" },
  // POST /cancel/{job_id} is deprecated.
  cancel: { method: "DELETE", path: "/job/{job_id}" },
  // With async: true. Other responses contain the result and no job_id next to a status.
  submit: [
    {
      path: "/{+operation}",
      // Pulse knows no such field.
      callback_from: ["callback_url"],
      when: {
        all: [
          { pointer: "/job_id", exists: true },
          { ...STATUS, in: ["pending", "processing", "queued"] },
        ],
      },
      job_id: { pointer: "/job_id" },
    },
  ],
  rules: [
    {
      http_status: SUCCESS,
      all: [{ ...STATUS, eq: "processing" }],
      observe: "running",
      phase: "processing",
    },
    {
      http_status: SUCCESS,
      all: [{ ...STATUS, in: ["pending", "queued"] }],
      observe: "running",
      phase: "pending",
    },
    { http_status: SUCCESS, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: SUCCESS, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    {
      http_status: SUCCESS,
      all: [{ ...STATUS, ...CANCELED }],
      observe: "canceled",
    },
    // The result was kept for 48 h; a stub remains.
    { http_status: SUCCESS, all: [{ ...STATUS, eq: "expired" }], observe: "expired" },
    // JOB_004: the result of a job that is still processing was requested.
    { http_status: 409, observe: "running", phase: "processing" },
    // JOB_005 reports the job's own failure; any other 500 is an outage.
    { http_status: 500, all: [{ ...ERROR_CODE, eq: "JOB_005" }], observe: "failed" },
    // PROC_004 is a rate limit; any other 503 is an outage.
    { http_status: 503, all: [{ ...ERROR_CODE, eq: "PROC_004" }], observe: "rate_limited" },
    { http_status: 429, observe: "rate_limited" },
    // AUTH_*: the key; BILLING_*: the account behind it. Both need a person.
    { http_status: [401, 402, 403], observe: "credential_rejected" },
    // JOB_001: unknown, expired, or right after submission not yet visible.
    { http_status: 404, observe: "not_found" },
    // JOB_003 is final; a bare 410 may be temporary.
    { http_status: 410, all: [{ ...ERROR_CODE, eq: "JOB_003" }], observe: "expired" },
    { http_status: { gte: 500, lte: 599 }, observe: "retry" },
  ],
  extract: {
    status: ["/status"],
    // Batch jobs carry their progress in `result` while they run.
    progress: ["/result/progress"],
    error: ["/error", "/message"],
    created_at: ["/created_at"],
    updated_at: ["/updated_at", "/completed_at"],
  },
  // For large documents a link, {is_url, url}: to /large_results/{job_id}, which takes the key, works
  // once and for an hour; in older pages to an S3 bucket, for a day.
  result: {
    kind: "inline",
    at: ["/result"],
    download: {
      url_at: ["/url"],
      credential: true,
      hosts: ["pulse-studio-api.s3.amazonaws.com", "pulse-studio-api.s3.*.amazonaws.com"],
    },
  },
  // As Pulse recommends.
  schedule: { kind: "exponential", initial_s: 1, factor: 1.5, cap_s: 10 },
  limits: { concurrency: 64 },
  not_found_grace_s: 30,
  // Jobs are kept for 48 h.
  deadline_s: 48 * 3600,
  deadline_s_max: 30 * 24 * 3600,
  rate_limit_reset_headers: ["x-ratelimit-reset"],
} as const satisfies ProviderDefinitionSource;
