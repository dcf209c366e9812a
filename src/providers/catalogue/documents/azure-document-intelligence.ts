import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED_OR_ABORTED, COMPLETED, FAILED, withWords } from "../ending-words.ts";

const STATUS = { pointer: "/status", ignore_case: true };

/** An analysis of a document by Azure AI Document Intelligence. */
export const azureDocumentIntelligence = {
  name: "azure-document-intelligence",
  title: "Azure AI Document Intelligence",
  documentation_url:
    "https://learn.microsoft.com/rest/api/aiservices/document-models/get-analyze-result",
  notes:
    "The param operation_location is the header Operation-Location of the answer to the analysis, " +
    "version included; it must lead to the connection's own host. The connection's base_url is the " +
    "resource's endpoint, such as https://name.cognitiveservices.azure.com, its credential one of the " +
    "resource's keys. The result is analyzeResult; of a batch it is result. Results are kept for 24 h. " +
    "An analysis can't be canceled. ‡ Microsoft Entra tokens instead of a key are another header: copy " +
    "this definition for them.",
  auth: { kind: "header", name: "ocp-apim-subscription-key" },
  params: {
    operation_location: { description: "Operation-Location of the answer to the analysis." },
  },
  status: { url_param: "operation_location" },
  submit: [
    {
      note: "documentintelligence/documentModels/{model}:analyze and :analyzeBatch, and the older formrecognizer.",
      path: "/{+model}",
      when: { http_status: 202, headers: [{ name: "operation-location", exists: true }] },
      job_id: { header: "operation-location", last_segment: true },
      params: { operation_location: { header: "operation-location" } },
    },
  ],
  rules: [
    {
      http_status: 200,
      all: [{ ...STATUS, eq: "notStarted" }],
      observe: "running",
      phase: "pending",
    },
    { http_status: 200, all: [{ ...STATUS, eq: "running" }], observe: "running" },
    {
      note: "completed is the word of some previews.",
      http_status: 200,
      all: [{ ...STATUS, ...COMPLETED }],
      observe: "completed",
    },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    {
      http_status: 200,
      all: [{ ...STATUS, ...withWords(CANCELED_OR_ABORTED, ["skipped"]) }],
      observe: "canceled",
    },
  ],
  extract: {
    status: ["/status"],
    progress: { percent: "/percentCompleted" },
    error: ["/error"],
    created_at: ["/createdDateTime"],
    updated_at: ["/lastUpdatedDateTime"],
  },
  result: { kind: "inline", at: ["/analyzeResult", "/result"] },
  min_interval_s: 2,
  schedule: { kind: "exponential", initial_s: 2, factor: 1.5, cap_s: 15 },
  limits: { concurrency: 16, requests_per_second: 10, burst: 10 },
  deadline_s: 24 * 3600,
} as const satisfies ProviderDefinitionSource;
