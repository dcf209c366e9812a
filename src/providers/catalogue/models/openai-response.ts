import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, FAILED, withWords } from "../ending-words.ts";
import { OPENAI_SERVICE } from "./openai-batch.ts";

const STATUS = { pointer: "/status" };

/** A response that was created with `background: true`. */
export const openaiResponse = {
  ...OPENAI_SERVICE,
  name: "openai-response",
  title: "OpenAI background responses",
  documentation_url: "https://platform.openai.com/docs/guides/background",
  notes:
    "The result is the whole response. incomplete (out of tokens, or filtered) counts as completed: " +
    "what was generated is there, and incomplete_details says what is missing. ‡ How long a response " +
    "created with store: false can be asked for is not documented exactly: about ten minutes.",
  status: { path: "/v1/responses/{job_id}" },
  submit: [
    {
      note: "With background: true.",
      path: "/v1/responses",
      when: { all: [{ pointer: "/background", eq: true }] },
      job_id: { pointer: "/id" },
    },
  ],
  cancel: { method: "POST", path: "/v1/responses/{job_id}/cancel" },
  rules: [
    { http_status: 200, all: [{ ...STATUS, eq: "queued" }], observe: "running", phase: "pending" },
    { http_status: 200, all: [{ ...STATUS, eq: "in_progress" }], observe: "running" },
    {
      http_status: 200,
      all: [{ ...STATUS, ...withWords(COMPLETED, ["incomplete"]) }],
      observe: "completed",
    },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED }], observe: "canceled" },
  ],
  extract: {
    status: ["/status"],
    error: ["/error"],
    created_at: ["/created_at"],
    updated_at: ["/completed_at"],
  },
  schedule: { kind: "exponential", initial_s: 2, factor: 1.5, cap_s: 10 },
  limits: { concurrency: 32, requests_per_second: 10, burst: 10 },
  deadline_s: 24 * 3600,
} as const satisfies ProviderDefinitionSource;
