import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, FAILED } from "../ending-words.ts";

const STATUS = { pointer: "/status" };

/** A crawl, or a scrape of a batch of pages, which has the same responses. */
export const firecrawl = {
  name: "firecrawl",
  title: "Firecrawl crawls and batch scrapes",
  documentation_url: "https://docs.firecrawl.dev/api-reference/endpoint/crawl-get",
  notes:
    "The result is the whole answer: data holds the pages, and next the URL of more of them when they " +
    "are above 10 MB. The param kind is crawl unless it is batch/scrape. Pages that could not be " +
    "scraped are under /errors, which is not fetched. Results are kept for 24 h.",
  base_url: "https://api.firecrawl.dev",
  auth: { kind: "bearer" },
  params: { kind: { description: "crawl or batch/scrape.", default: "crawl" } },
  status: { path: "/v2/{+params.kind}/{job_id}" },
  submit: [
    {
      path: "/v2/crawl",
      job_id: { pointer: "/id" },
      params: { kind: { value: "crawl" } },
    },
    {
      path: "/v2/batch/scrape",
      job_id: { pointer: "/id" },
      params: { kind: { value: "batch/scrape" } },
    },
  ],
  cancel: { method: "DELETE", path: "/v2/{+params.kind}/{job_id}" },
  rules: [
    { http_status: 200, all: [{ ...STATUS, eq: "scraping" }], observe: "running" },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED }], observe: "canceled" },
    {
      note: "Out of credits: a person has to see to the account.",
      http_status: 402,
      observe: "credential_rejected",
    },
  ],
  extract: {
    status: ["/status"],
    progress: { completed: "/completed", total: "/total" },
    error: ["/error"],
    created_at: ["/createdAt"],
    updated_at: ["/completedAt"],
  },
  schedule: { kind: "exponential", initial_s: 2, factor: 1.5, cap_s: 15 },
  // 500 status requests a minute in the free plan.
  limits: { concurrency: 8, requests_per_second: 8, burst: 8 },
  // Everything scraped so far comes with every response.
  running_answer_bytes_max: 16 * 2 ** 20,
  // 48 h in the queue at most.
  deadline_s: 72 * 3600,
} as const satisfies ProviderDefinitionSource;
