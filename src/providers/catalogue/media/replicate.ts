import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED_OR_ABORTED, COMPLETED, FAILED } from "../ending-words.ts";

const STATUS = { pointer: "/status" };

/** A prediction: one run of a model. */
export const replicate = {
  name: "replicate",
  title: "Replicate predictions",
  documentation_url: "https://replicate.com/docs/reference/http#predictions.get",
  notes:
    "The result is output; files in it are links. Inputs, outputs and files of predictions made " +
    "through the API are removed an hour after they end: a prediction found so has expired.",
  base_url: "https://api.replicate.com",
  auth: { kind: "bearer" },
  status: { path: "/v1/predictions/{job_id}" },
  submit: [
    { path: "/v1/predictions", job_id: { pointer: "/id" } },
    { path: "/v1/models/{owner}/{name}/predictions", job_id: { pointer: "/id" } },
    { path: "/v1/deployments/{owner}/{name}/predictions", job_id: { pointer: "/id" } },
  ],
  cancel: { method: "POST", path: "/v1/predictions/{job_id}/cancel" },
  rules: [
    {
      http_status: 200,
      all: [{ ...STATUS, eq: "starting" }],
      observe: "running",
      phase: "pending",
    },
    { http_status: 200, all: [{ ...STATUS, eq: "processing" }], observe: "running" },
    {
      http_status: 200,
      all: [
        { ...STATUS, ...COMPLETED },
        { pointer: "/data_removed", eq: true },
      ],
      observe: "expired",
    },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    {
      note: "canceled: by its owner, or past its deadline while it ran; aborted: before it began.",
      http_status: 200,
      all: [{ ...STATUS, ...CANCELED_OR_ABORTED }],
      observe: "canceled",
    },
  ],
  extract: {
    status: ["/status"],
    error: ["/error", "/detail"],
    created_at: ["/created_at"],
    updated_at: ["/completed_at", "/started_at"],
  },
  result: { kind: "inline", at: ["/output"] },
  schedule: { kind: "exponential", initial_s: 0.5, factor: 1.5, cap_s: 5 },
  // 3000 requests a minute.
  limits: { concurrency: 32, requests_per_second: 45, burst: 10 },
  deadline_s: 24 * 3600,
} as const satisfies ProviderDefinitionSource;
