import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { COMPLETED, FAILED } from "../ending-words.ts";

const STATUS = { pointer: "/status" };

/** A transcript of an audio file. */
export const assemblyai = {
  name: "assemblyai",
  title: "AssemblyAI transcripts",
  documentation_url: "https://www.assemblyai.com/docs/pre-recorded-audio/check-transcript-status",
  notes:
    "The key is sent as it is, without a prefix. The result is the whole transcript, words included. " +
    "For the EU give the connection the base_url https://api.eu.assemblyai.com. A transcript that is " +
    "being made can't be canceled. ‡ The 400 that says an id is unknown is known from reports only.",
  base_url: "https://api.assemblyai.com",
  auth: { kind: "header", name: "authorization" },
  status: { path: "/v2/transcript/{job_id}" },
  submit: [{ path: "/v2/transcript", job_id: { pointer: "/id" } }],
  rules: [
    { http_status: 200, all: [{ ...STATUS, eq: "queued" }], observe: "running", phase: "pending" },
    { http_status: 200, all: [{ ...STATUS, eq: "processing" }], observe: "running" },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    {
      http_status: 400,
      all: [{ pointer: "/error", eq: "Transcript lookup error, transcript id not found" }],
      observe: "not_found",
    },
  ],
  extract: { status: ["/status"], error: ["/error"] },
  schedule: { kind: "exponential", initial_s: 3, factor: 1.3, cap_s: 10 },
  // 20,000 requests in five minutes.
  limits: { concurrency: 32, requests_per_second: 60, burst: 20 },
  deadline_s: 24 * 3600,
} as const satisfies ProviderDefinitionSource;
