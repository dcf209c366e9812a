import type { ProviderFixtures } from "../fixture.ts";

const CREATED = "2026-01-01T10:00:00Z";
const UPDATED = "2026-01-01T10:00:09Z";
const URL = "https://api.cloud.llamaindex.ai/api/v2/parse/pjb-123";

function parse(status: string, error: string | null = null) {
  return {
    job: {
      id: "pjb-123",
      project_id: "prj-1",
      status,
      error_message: error,
      created_at: CREATED,
      updated_at: UPDATED,
    },
  };
}

const RESULT = {
  ...parse("COMPLETED"),
  markdown: {
    pages: [
      { page_number: 1, markdown: "# Report", success: true },
      { page_number: 2, error: "The page could not be read", success: false },
    ],
  },
};

export const llamaparseFixtures = {
  provider: "llamaparse",
  job: { id: "pjb-123", params: { expand: "markdown,metadata" } },
  requests: {
    status: `GET ${URL}`,
    cancel: `POST ${URL}/cancel`,
    headers: { authorization: "Bearer key" },
  },
  answers: {
    PENDING: { body: parse("PENDING"), means: { running: "pending" } },
    RUNNING: {
      body: parse("RUNNING"),
      means: { running: "processing" },
      times: [CREATED, UPDATED],
    },
    COMPLETED: {
      body: parse("COMPLETED"),
      means: { asks: `GET ${URL}?expand=markdown%2Cmetadata` },
      times: [CREATED, UPDATED],
    },
    PARTIAL_SUCCESS: {
      body: parse("PARTIAL_SUCCESS"),
      means: { asks: `GET ${URL}?expand=markdown%2Cmetadata` },
    },
    SUCCESS: {
      body: parse("SUCCESS"),
      means: { asks: `GET ${URL}?expand=markdown%2Cmetadata` },
    },
    FAILED: {
      body: parse("FAILED", "The file is password protected"),
      means: { failed: "The file is password protected" },
    },
    ERROR: { body: parse("ERROR", "Timeout"), means: { failed: "Timeout" } },
    CANCELLED: {
      body: parse("CANCELLED"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a wrong key": {
      status: 401,
      body: { detail: "Invalid API Key" },
      means: { credential_rejected: "HTTP 401: Invalid API Key" },
    },
    "an unknown or old job": {
      status: 404,
      body: { detail: "Job not found" },
      means: { expired: "The upstream no longer knows the job. HTTP 404: Job not found" },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "10" },
      body: { detail: "Rate limit exceeded" },
      means: { retry: "rate_limited", says: "HTTP 429: Rate limit exceeded", wait_s: 10 },
    },
  },
  results: {
    "the document": { body: RESULT, means: { completed: RESULT } },
    "a file that was removed": {
      status: 404,
      body: { detail: "Source file not found in storage" },
      means: {
        expired:
          "The job completed, but its result is gone. HTTP 404: Source file not found in storage",
      },
    },
  },
} satisfies ProviderFixtures;
