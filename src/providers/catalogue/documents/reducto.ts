import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, FAILED } from "../ending-words.ts";

const STATUS = { pointer: "/status" };

/** Any of Reducto's document jobs: parse, extract, split, edit, classify, pipeline. */
export const reducto = {
  name: "reducto",
  title: "Reducto",
  documentation_url: "https://docs.reducto.ai",
  notes:
    'The result is the response of the job; in that of a large document, result is {type: "url", ' +
    "url}, a link, passed on as it is. ‡ How long jobs are kept is not published: a day is assumed.",
  base_url: "https://platform.reducto.ai",
  auth: { kind: "bearer" },
  status: { path: "/job/{job_id}" },
  submit: [
    {
      note: "parse_async, extract_async, split_async, edit_async, pipeline_async.",
      path: "/{operation}_async",
      job_id: { pointer: "/job_id" },
    },
  ],
  cancel: { method: "POST", path: "/cancel/{job_id}" },
  rules: [
    {
      http_status: 200,
      all: [{ ...STATUS, in: ["Pending", "Idle"] }],
      observe: "running",
      phase: "pending",
    },
    {
      http_status: 200,
      all: [{ ...STATUS, in: ["InProgress", "Completing"] }],
      observe: "running",
    },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED }], observe: "canceled" },
  ],
  extract: {
    status: ["/status"],
    progress: ["/progress"],
    error: ["/reason", "/detail"],
    created_at: ["/created_at"],
  },
  result: { kind: "inline", at: ["/result"] },
  schedule: { kind: "exponential", initial_s: 1, factor: 1.5, cap_s: 10 },
  limits: { concurrency: 32, requests_per_second: 20, burst: 10 },
  deadline_s: 24 * 3600,
} as const satisfies ProviderDefinitionSource;
