import type { ProviderFixtures } from "../fixture.ts";

const URL =
  "https://invoices.cognitiveservices.azure.com/documentintelligence/documentModels/prebuilt-layout/analyzeResults/3a1f?api-version=2024-11-30";
const CREATED = "2026-01-01T09:00:00Z";
const UPDATED = "2026-01-01T09:00:04Z";

function operation(status: string, more: object = {}) {
  return { status, createdDateTime: CREATED, lastUpdatedDateTime: UPDATED, ...more };
}

const ANALYZED = {
  apiVersion: "2024-11-30",
  modelId: "prebuilt-layout",
  content: "Invoice",
  pages: [{ pageNumber: 1, angle: 0.05 }],
};
const BATCH = { succeededCount: 2, failedCount: 0, skippedCount: 1, details: [] };

export const azureDocumentIntelligenceFixtures = {
  provider: "azure-document-intelligence",
  connection: { base_url: "https://invoices.cognitiveservices.azure.com" },
  job: { id: "3a1f", params: { operation_location: URL } },
  requests: { status: `GET ${URL}`, headers: { "ocp-apim-subscription-key": "key" } },
  answers: {
    notStarted: {
      headers: { "retry-after": "1" },
      body: operation("notStarted"),
      means: { running: "pending", wait_s: 1 },
    },
    running: {
      headers: { "retry-after": "4" },
      body: operation("running"),
      means: { running: "processing", wait_s: 4 },
      times: [CREATED, UPDATED],
    },
    "running, a batch": {
      body: operation("running", { percentCompleted: 67 }),
      means: { running: "processing", progress: { percent: 67 } },
    },
    succeeded: {
      body: operation("succeeded", { analyzeResult: ANALYZED }),
      means: { completed: ANALYZED },
      times: [CREATED, UPDATED],
    },
    "succeeded, a batch": {
      body: operation("succeeded", { result: BATCH }),
      means: { completed: BATCH },
    },
    "completed, in a preview": {
      body: operation("completed", { analyzeResult: ANALYZED }),
      means: { completed: ANALYZED },
    },
    failed: {
      body: operation("failed", {
        error: {
          code: "InvalidRequest",
          message: "Invalid request.",
          innererror: { code: "InvalidContent", message: "The file is corrupted." },
        },
      }),
      means: { failed: "Invalid request. (InvalidRequest)" },
    },
    canceled: {
      body: operation("canceled"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    skipped: {
      body: operation("skipped"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a wrong key": {
      status: 401,
      body: {
        error: { code: "401", message: "Access denied due to invalid subscription key." },
      },
      means: {
        credential_rejected: "HTTP 401: Access denied due to invalid subscription key. (401)",
      },
    },
    "an unknown or old result": {
      status: 404,
      body: { error: { code: "NotFound", message: "Resource not found." } },
      means: {
        expired: "The upstream no longer knows the job. HTTP 404: Resource not found. (NotFound)",
      },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "7" },
      body: { error: { code: "429", message: "Requests have exceeded the call rate limit." } },
      means: {
        retry: "rate_limited",
        says: "HTTP 429: Requests have exceeded the call rate limit. (429)",
        wait_s: 7,
      },
    },
  },
} satisfies ProviderFixtures;
