import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { COMPLETED, FAILED } from "../ending-words.ts";

const STATE = { pointer: "/state" };

/** A video or an image that is being made by Luma's Dream Machine. */
export const luma = {
  name: "luma",
  title: "Luma generations",
  documentation_url: "https://docs.lumalabs.ai",
  notes:
    "The result is assets, links to the video or the image. A generation can be deleted, which is not " +
    "the same as canceled: there is no cancel. ‡ How long links are good for is not published.",
  base_url: "https://api.lumalabs.ai",
  auth: { kind: "bearer" },
  status: { path: "/dream-machine/v1/generations/{job_id}" },
  submit: [
    { path: "/dream-machine/v1/generations", job_id: { pointer: "/id" } },
    { path: "/dream-machine/v1/generations/{kind}", job_id: { pointer: "/id" } },
  ],
  rules: [
    { http_status: 200, all: [{ ...STATE, eq: "queued" }], observe: "running", phase: "pending" },
    { http_status: 200, all: [{ ...STATE, eq: "dreaming" }], observe: "running" },
    { http_status: 200, all: [{ ...STATE, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATE, ...FAILED }], observe: "failed" },
  ],
  extract: {
    status: ["/state"],
    error: ["/failure_reason", "/detail"],
    created_at: ["/created_at"],
  },
  result: { kind: "inline", at: ["/assets"] },
  schedule: { kind: "exponential", initial_s: 3, factor: 1.3, cap_s: 10 },
  limits: { concurrency: 16, requests_per_second: 5, burst: 5 },
  deadline_s: 24 * 3600,
} as const satisfies ProviderDefinitionSource;
