import type { ProviderFixtures } from "../fixture.ts";

const URL = "https://platform.unstructuredapp.io/api/v1/jobs/fcdc4994";

function job(status: string, files: readonly string[] = []) {
  return {
    id: "fcdc4994",
    created_at: "2025-06-22T11:37:21.648Z",
    status,
    runtime: null,
    workflow_id: "16b80fee",
    workflow_name: "on-demand",
    output_node_files: files.map((file_id) => ({
      file_id,
      node_id: "n1",
      node_type: "partition",
      node_subtype: "vlm",
    })),
  };
}

const SEVERAL = job("COMPLETED", ["f1.json", "f2.json"]);
const CONNECTORS = { ...job("COMPLETED"), output_node_files: null };

export const unstructuredFixtures = {
  provider: "unstructured",
  job: { id: "fcdc4994" },
  requests: {
    status: `GET ${URL}`,
    cancel: `POST ${URL}/cancel`,
    headers: { "unstructured-api-key": "key" },
  },
  answers: {
    SCHEDULED: {
      body: job("SCHEDULED"),
      means: { running: "pending" },
      times: ["2025-06-22T11:37:21.648Z", null],
    },
    IN_PROGRESS: { body: job("IN_PROGRESS"), means: { running: "processing" } },
    "in progress, as older pages spell it": {
      body: job("in progress"),
      means: { running: "processing" },
    },
    "COMPLETED, one file": {
      body: job("COMPLETED", ["f1.json"]),
      means: { asks: `GET ${URL}/download?file_id=f1.json&node_id=n1` },
    },
    "COMPLETED, several files": { body: SEVERAL, means: { completed: SEVERAL } },
    "COMPLETED, into a connector": { body: CONNECTORS, means: { completed: CONNECTORS } },
    FAILED: {
      body: job("FAILED"),
      means: { failed: "The upstream reports that the job failed and gives no reason." },
    },
    STOPPED: {
      body: job("STOPPED"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a wrong key": {
      status: 401,
      body: { detail: "Invalid API key" },
      means: { credential_rejected: "HTTP 401: Invalid API key" },
    },
    "an unknown job": {
      status: 404,
      body: { detail: "Job not found" },
      means: { expired: "The upstream no longer knows the job. HTTP 404: Job not found" },
    },
    "too many requests": {
      status: 429,
      body: { detail: "Rate limit exceeded" },
      means: { retry: "rate_limited", says: "HTTP 429: Rate limit exceeded" },
    },
  },
  results: {
    "the elements": {
      body: [{ type: "Title", element_id: "e1", text: "Report" }],
      means: { completed: [{ type: "Title", element_id: "e1", text: "Report" }] },
    },
  },
} satisfies ProviderFixtures;
