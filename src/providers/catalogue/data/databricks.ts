import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, withWords } from "../ending-words.ts";

const LIFE = { pointer: "/state/life_cycle_state" };
const TERMINATED = { ...LIFE, eq: "TERMINATED" };
const OUTCOME = { pointer: "/state/result_state" };

/** A run of a Databricks job. */
export const databricks = {
  name: "databricks",
  title: "Databricks job runs",
  documentation_url: "https://docs.databricks.com/api/workspace/jobs/getrun",
  notes:
    "The connection's base_url is the workspace's. The result of a run of one task is its output " +
    "(what the notebook exited with, the first 5 MB of it); of several tasks it is the run, whose " +
    "tasks have outputs of their own. SUCCESS_WITH_FAILURES counts as completed, EXCLUDED, DISABLED " +
    "and SKIPPED, where nothing was run, as failed. Runs are kept for 60 days.",
  auth: { kind: "bearer" },
  status: { path: "/api/2.2/jobs/runs/get", query: { run_id: "{job_id}" } },
  submit: [
    { path: "/api/{version}/jobs/run-now", job_id: { pointer: "/run_id" } },
    { path: "/api/{version}/jobs/runs/submit", job_id: { pointer: "/run_id" } },
  ],
  cancel: {
    method: "POST",
    path: "/api/2.2/jobs/runs/cancel",
    body: { kind: "json", value: { run_id: "{#job_id}" } },
  },
  rules: [
    {
      http_status: 200,
      all: [TERMINATED, { ...OUTCOME, ...withWords(COMPLETED, ["SUCCESS_WITH_FAILURES"]) }],
      observe: "completed",
    },
    {
      http_status: 200,
      all: [
        TERMINATED,
        { ...OUTCOME, ...withWords(CANCELED, ["UPSTREAM_CANCELED", "UPSTREAM_CANCELLED"]) },
      ],
      observe: "canceled",
    },
    {
      note: "FAILED, TIMEDOUT, MAXIMUM_CONCURRENT_RUNS_REACHED, …",
      http_status: 200,
      all: [TERMINATED, { ...OUTCOME, empty: false }],
      observe: "failed",
    },
    { http_status: 200, all: [{ ...LIFE, in: ["INTERNAL_ERROR", "SKIPPED"] }], observe: "failed" },
    {
      http_status: 200,
      all: [{ ...LIFE, in: ["QUEUED", "PENDING", "BLOCKED", "WAITING_FOR_RETRY"] }],
      observe: "running",
      phase: "pending",
    },
    { http_status: 200, all: [{ ...LIFE, in: ["RUNNING", "TERMINATING"] }], observe: "running" },
    {
      note: "Run … does not exist.",
      http_status: 400,
      all: [{ pointer: "/error_code", in: ["INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"] }],
      observe: "not_found",
    },
  ],
  extract: {
    status: ["/state/life_cycle_state"],
    error: ["/state/state_message", "/state/result_state", "/message"],
    created_at: ["/start_time"],
    updated_at: ["/end_time"],
  },
  result: {
    kind: "request",
    request: {
      path: "/api/2.2/jobs/runs/get-output",
      query: { run_id: "{answer./tasks/0/run_id}" },
    },
    only_if: [{ pointer: "/tasks/1", exists: false }],
    otherwise_on: [400],
  },
  schedule: { kind: "exponential", initial_s: 2, factor: 1.5, cap_s: 20 },
  limits: { concurrency: 16, requests_per_second: 10, burst: 10 },
  deadline_s: 7 * 24 * 3600,
  deadline_s_max: 60 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
