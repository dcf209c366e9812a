import type { ProviderFixtures } from "../fixture.ts";

const CREATED = "2026-01-01T00:00:00.000Z";
const PAGE = {
  markdown: "# Docs",
  metadata: { sourceURL: "https://docs.example.com", statusCode: 200 },
};

function crawl(status: string, completed: number, more: object = {}) {
  return {
    status,
    total: 36,
    completed,
    creditsUsed: completed,
    createdAt: CREATED,
    expiresAt: "2026-01-02T00:00:00.000Z",
    data: [PAGE],
    ...more,
  };
}

const DONE = crawl("completed", 36, { completedAt: "2026-01-01T00:02:00.000Z" });

export const firecrawlFixtures = {
  provider: "firecrawl",
  job: { id: "crawl-1", params: { kind: "batch/scrape" } },
  requests: {
    status: "GET https://api.firecrawl.dev/v2/batch/scrape/crawl-1",
    cancel: "DELETE https://api.firecrawl.dev/v2/batch/scrape/crawl-1",
    headers: { authorization: "Bearer key" },
  },
  answers: {
    scraping: {
      body: crawl("scraping", 10, { next: "https://api.firecrawl.dev/v2/crawl/crawl-1?skip=10" }),
      means: { running: "processing", progress: { completed: 10, total: 36 } },
      times: [CREATED, null],
    },
    completed: {
      body: DONE,
      means: { completed: DONE },
      times: [CREATED, "2026-01-01T00:02:00.000Z"],
    },
    failed: {
      body: crawl("failed", 0, { error: "The start URL could not be reached" }),
      means: { failed: "The start URL could not be reached" },
    },
    cancelled: {
      body: crawl("cancelled", 4),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a wrong key": {
      status: 401,
      body: { success: false, error: "Unauthorized: Invalid token" },
      means: { credential_rejected: "HTTP 401: Unauthorized: Invalid token" },
    },
    "no credits left": {
      status: 402,
      body: { success: false, error: "Payment Required: Insufficient credits" },
      means: { credential_rejected: "HTTP 402: Payment Required: Insufficient credits" },
    },
    "an unknown or old crawl": {
      status: 404,
      body: { success: false, error: "Job not found" },
      means: { expired: "The upstream no longer knows the job. HTTP 404: Job not found" },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "24" },
      body: { success: false, error: "Rate limit exceeded" },
      means: { retry: "rate_limited", says: "HTTP 429: Rate limit exceeded", wait_s: 24 },
    },
  },
} satisfies ProviderFixtures;
