import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED_OR_ABORTED, COMPLETED, FAILED } from "../ending-words.ts";

const STATUS = { pointer: "/data/status" };

/** A run of an actor. */
export const apify = {
  name: "apify",
  title: "Apify actor runs",
  documentation_url: "https://docs.apify.com/api/v2/actor-run-get",
  notes:
    "The result is the items of the run's default dataset; above answer_bytes_max it is the run " +
    "itself, whose defaultDatasetId and defaultKeyValueStoreId say where the rest is. The status " +
    "request waits at the upstream for up to a minute while the connection has few jobs. The last ten " +
    "runs are kept, older ones for as long as the plan says, a week at least.",
  base_url: "https://api.apify.com",
  auth: { kind: "bearer" },
  status: {
    path: "/v2/actor-runs/{job_id}",
    long_poll: { query: "waitForFinish", seconds: 60 },
  },
  submit: [
    { path: "/v2/acts/{actor}/runs", job_id: { pointer: "/data/id" } },
    { path: "/v2/actors/{actor}/runs", job_id: { pointer: "/data/id" } },
    { path: "/v2/actor-tasks/{task}/runs", job_id: { pointer: "/data/id" } },
  ],
  cancel: { method: "POST", path: "/v2/actor-runs/{job_id}/abort" },
  rules: [
    { http_status: 200, all: [{ ...STATUS, eq: "READY" }], observe: "running", phase: "pending" },
    {
      http_status: 200,
      all: [{ ...STATUS, in: ["RUNNING", "TIMING-OUT", "ABORTING"] }],
      observe: "running",
    },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED_OR_ABORTED }], observe: "canceled" },
  ],
  extract: {
    status: ["/data/status"],
    progress: ["/data/statusMessage"],
    error: ["/data/statusMessage", "/data/status", "/error"],
    created_at: ["/data/startedAt"],
    updated_at: ["/data/finishedAt"],
  },
  result: {
    kind: "request",
    request: { path: "/v2/actor-runs/{job_id}/dataset/items", query: { format: "json" } },
    otherwise: ["/data"],
  },
  min_interval_s: 1,
  schedule: { kind: "exponential", initial_s: 1, factor: 1.5, cap_s: 15 },
  limits: { concurrency: 32, requests_per_second: 50, burst: 50 },
  deadline_s: 48 * 3600,
} as const satisfies ProviderDefinitionSource;
