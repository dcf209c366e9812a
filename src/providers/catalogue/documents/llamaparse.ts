import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, FAILED, withWords } from "../ending-words.ts";

const STATUS = { pointer: "/job/status" };

/** A document parsed by the second version of LlamaParse's API. */
export const llamaparse = {
  name: "llamaparse",
  title: "LlamaParse v2",
  documentation_url: "https://developers.llamaindex.ai/llamaparse/parse/guides/api-reference/",
  notes:
    "The result is the answer with what the param expand asks for, a list such as " +
    "markdown,items,metadata; pages that could not be parsed are in it with success: false. SUCCESS, " +
    "PARTIAL_SUCCESS and ERROR are the words of the first version, taken for what they were. For the " +
    "EU give the connection the base_url https://api.cloud.eu.llamaindex.ai. " +
    "How long results are kept is not published; a source file is kept for 48 h. The free plan takes " +
    "20 requests a minute.",
  base_url: "https://api.cloud.llamaindex.ai",
  auth: { kind: "bearer" },
  params: {
    expand: {
      description: "Parts of the result, separated by commas: markdown, text, items, metadata, ….",
      default: "markdown",
    },
  },
  status: { path: "/api/v2/parse/{job_id}" },
  submit: [
    { path: "/api/v2/parse", job_id: [{ pointer: "/id" }, { pointer: "/job/id" }] },
    { path: "/api/v2/parse/upload", job_id: [{ pointer: "/id" }, { pointer: "/job/id" }] },
  ],
  cancel: { method: "POST", path: "/api/v2/parse/{job_id}/cancel" },
  rules: [
    { http_status: 200, all: [{ ...STATUS, eq: "PENDING" }], observe: "running", phase: "pending" },
    { http_status: 200, all: [{ ...STATUS, eq: "RUNNING" }], observe: "running" },
    {
      http_status: 200,
      all: [{ ...STATUS, ...withWords(COMPLETED, ["PARTIAL_SUCCESS"]) }],
      observe: "completed",
    },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED }], observe: "canceled" },
  ],
  extract: {
    status: ["/job/status"],
    error: ["/job/error_message", "/detail"],
    created_at: ["/job/created_at"],
    updated_at: ["/job/updated_at"],
  },
  result: {
    kind: "request",
    request: { path: "/api/v2/parse/{job_id}", query: { expand: "{params.expand}" } },
    // Reported to be missing for some minutes after the status says so.
    gone_after: { answers: 5, over_s: 1800 },
  },
  schedule: { kind: "exponential", initial_s: 1, factor: 1.5, cap_s: 5 },
  limits: { concurrency: 16, requests_per_second: 5, burst: 5 },
  deadline_s: 48 * 3600,
} as const satisfies ProviderDefinitionSource;
