import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED_OR_ABORTED, COMPLETED, FAILED } from "../ending-words.ts";

const STATUS = { pointer: "/status", ignore_case: true };

/** A job of a workflow on Unstructured's platform. */
export const unstructured = {
  name: "unstructured",
  title: "Unstructured",
  documentation_url: "https://docs.unstructured.io/api-reference/workflow/overview",
  notes:
    "The result of a job over one local file is its output. Of one over several files, or from one " +
    "connector to another, it is the job, whose output_node_files name what can be downloaded. A job " +
    "that failed does not say why; GET /jobs/{job_id}/failed-files does. ‡ How long outputs are kept " +
    "is not published.",
  base_url: "https://platform.unstructuredapp.io/api/v1",
  auth: { kind: "header", name: "unstructured-api-key" },
  status: { path: "/jobs/{job_id}" },
  submit: [
    { path: "/workflows/{workflow}/run", job_id: { pointer: "/id" } },
    { note: "A job without a workflow of its own.", path: "/jobs", job_id: { pointer: "/id" } },
  ],
  cancel: { method: "POST", path: "/jobs/{job_id}/cancel" },
  rules: [
    {
      http_status: 200,
      all: [{ ...STATUS, eq: "scheduled" }],
      observe: "running",
      phase: "pending",
    },
    {
      http_status: 200,
      all: [{ ...STATUS, in: ["in_progress", "in progress"] }],
      observe: "running",
    },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED_OR_ABORTED }], observe: "canceled" },
  ],
  extract: {
    status: ["/status"],
    error: ["/detail/0/msg", "/detail"],
    created_at: ["/created_at"],
  },
  result: {
    kind: "request",
    request: {
      path: "/jobs/{job_id}/download",
      query: {
        file_id: "{answer./output_node_files/0/file_id}",
        node_id: "{answer./output_node_files/0/node_id}",
      },
    },
    only_if: [{ pointer: "/output_node_files/1", exists: false }],
  },
  schedule: { kind: "exponential", initial_s: 3, factor: 1.5, cap_s: 15 },
  limits: { concurrency: 8, requests_per_second: 5, burst: 5 },
  deadline_s: 48 * 3600,
} as const satisfies ProviderDefinitionSource;
