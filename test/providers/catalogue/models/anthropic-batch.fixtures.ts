import { PAGE_AS_RESULT, type ProviderFixtures } from "../fixture.ts";

const URL = "https://api.anthropic.com/v1/messages/batches/msgbatch_013Z/results";
const RUNNING = { processing: 100, succeeded: 0, errored: 0, canceled: 0, expired: 0 };

function batch(status: string, counts: object, more: object = {}) {
  return {
    id: "msgbatch_013Z",
    type: "message_batch",
    processing_status: status,
    request_counts: { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0, ...counts },
    ended_at: status === "ended" ? "2024-08-20T18:59:24.100435Z" : null,
    created_at: "2024-08-20T18:37:24.100435Z",
    expires_at: "2024-08-21T18:37:24.100435Z",
    archived_at: null,
    cancel_initiated_at: null,
    results_url: status === "ended" ? URL : null,
    ...more,
  };
}

function refusal(type: string, message: string) {
  return { type: "error", error: { type, message }, request_id: "req_011C" };
}

export const anthropicBatchFixtures = {
  provider: "anthropic-batch",
  job: { id: "msgbatch_013Z" },
  requests: {
    status: "GET https://api.anthropic.com/v1/messages/batches/msgbatch_013Z",
    cancel: "POST https://api.anthropic.com/v1/messages/batches/msgbatch_013Z/cancel",
    headers: { "x-api-key": "key", "anthropic-version": "2023-06-01" },
  },
  answers: {
    in_progress: {
      body: batch("in_progress", { processing: 100 }),
      means: { running: "processing", progress: RUNNING },
      times: ["2024-08-20T18:37:24.100435Z", null],
    },
    canceling: {
      body: batch("canceling", { processing: 100 }),
      means: { running: "processing", progress: RUNNING },
    },
    ended: {
      body: batch("ended", { succeeded: 95, errored: 5 }),
      means: { asks: `GET ${URL}` },
      times: ["2024-08-20T18:37:24.100435Z", "2024-08-20T18:59:24.100435Z"],
    },
    "ended, some of it canceled": {
      body: batch(
        "ended",
        { succeeded: 60, canceled: 40 },
        { cancel_initiated_at: "2024-08-20T18:50:00Z" },
      ),
      means: { asks: `GET ${URL}` },
    },
    "ended, every request failed": {
      body: batch("ended", { errored: 100 }),
      means: { asks: `GET ${URL}` },
    },
    "ended, all of it canceled": {
      body: batch("ended", { canceled: 100 }, { cancel_initiated_at: "2024-08-20T18:50:00Z" }),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "ended, all of it out of time": {
      body: batch("ended", { expired: 100 }),
      means: { expired: "The upstream reports that the job has expired." },
    },
    "archived after 29 days": {
      body: batch(
        "ended",
        { succeeded: 100 },
        { archived_at: "2024-09-18T18:37:24Z", results_url: null },
      ),
      means: { expired: "The upstream reports that the job has expired." },
    },
    "a wrong key": {
      status: 401,
      body: refusal("authentication_error", "invalid x-api-key"),
      means: { credential_rejected: "HTTP 401: invalid x-api-key" },
    },
    "an unknown batch": {
      status: 404,
      body: refusal("not_found_error", "Not found"),
      means: { expired: "The upstream no longer knows the job. HTTP 404: Not found" },
    },
    "too many requests": {
      status: 429,
      headers: {
        "retry-after": "12",
        "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:30Z",
      },
      body: refusal("rate_limit_error", "This request would exceed your rate limit"),
      means: {
        retry: "rate_limited",
        says: "HTTP 429: This request would exceed your rate limit",
        wait_s: 12,
      },
    },
    "too many requests, with a reset only": {
      status: 429,
      headers: { "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:30Z" },
      body: refusal("rate_limit_error", "This request would exceed your rate limit"),
      means: {
        retry: "rate_limited",
        says: "HTTP 429: This request would exceed your rate limit",
        wait_s: 30,
      },
    },
    overloaded: {
      status: 529,
      body: refusal("overloaded_error", "Overloaded"),
      means: { retry: "upstream_fault", says: "HTTP 529: Overloaded" },
    },
  },
  results: {
    "a proxy's page in place of it": PAGE_AS_RESULT,
    "the results": {
      headers: { "content-type": "application/x-jsonl" },
      body: '{"custom_id":"a","result":{"type":"succeeded"}}\n{"custom_id":"b","result":{"type":"errored"}}\n',
      means: {
        completed:
          '{"custom_id":"a","result":{"type":"succeeded"}}\n{"custom_id":"b","result":{"type":"errored"}}\n',
      },
    },
  },
} satisfies ProviderFixtures;
