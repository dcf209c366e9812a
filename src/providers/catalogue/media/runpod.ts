import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, FAILED } from "../ending-words.ts";

const STATUS = { pointer: "/status" };

/** A request to a serverless endpoint of RunPod. */
export const runpod = {
  name: "runpod",
  title: "RunPod serverless jobs",
  documentation_url: "https://docs.runpod.io/serverless/endpoints/operation-reference",
  notes:
    "The result is output, kept for 30 minutes after the job ended (jobs of /run). A job lives for a " +
    "day unless its policy sets another ttl; after that it is unknown, finished or not.",
  base_url: "https://api.runpod.ai",
  auth: { kind: "bearer" },
  params: { endpoint: { description: "The id of the endpoint." } },
  status: { path: "/v2/{params.endpoint}/status/{job_id}" },
  submit: [
    {
      path: "/v2/{endpoint}/run",
      job_id: { pointer: "/id" },
      params: { endpoint: { path: "endpoint" } },
    },
  ],
  cancel: { method: "POST", path: "/v2/{params.endpoint}/cancel/{job_id}" },
  rules: [
    {
      http_status: 200,
      all: [{ ...STATUS, eq: "IN_QUEUE" }],
      observe: "running",
      phase: "pending",
    },
    { http_status: 200, all: [{ ...STATUS, in: ["IN_PROGRESS", "RUNNING"] }], observe: "running" },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED }], observe: "canceled" },
  ],
  extract: {
    status: ["/status"],
    // Progress as reported by a worker.
    progress: ["/output"],
    error: ["/error", "/output/error", "/status"],
  },
  result: { kind: "inline", at: ["/output"] },
  schedule: { kind: "exponential", initial_s: 0.5, factor: 1.5, cap_s: 5 },
  limits: { concurrency: 32, requests_per_second: 50, burst: 20 },
  deadline_s: 24 * 3600,
  deadline_s_max: 7 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
