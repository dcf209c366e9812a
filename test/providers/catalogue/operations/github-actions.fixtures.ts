import type { ProviderFixtures } from "../fixture.ts";

const CREATED = "2026-01-01T00:00:00Z";
const UPDATED = "2026-01-01T00:01:00Z";
const URL = "https://api.github.com/repos/octo/hello/actions/runs/30433642";

function run(status: string, conclusion: string | null = null) {
  return {
    id: 30433642,
    name: "Build",
    head_branch: "main",
    event: "push",
    status,
    conclusion,
    url: URL,
    jobs_url: `${URL}/jobs`,
    created_at: CREATED,
    updated_at: UPDATED,
  };
}

const SUCCESS = run("completed", "success");

export const githubActionsFixtures = {
  provider: "github-actions",
  connection: { credential: "ghp_token" },
  job: { id: "30433642", params: { owner: "octo", repo: "hello" } },
  requests: {
    status: `GET ${URL}`,
    cancel: `POST ${URL}/cancel`,
    headers: {
      authorization: "Bearer ghp_token",
      accept: "application/vnd.github+json",
      "x-github-api-version": "2022-11-28",
    },
  },
  answers: {
    queued: { body: run("queued"), means: { running: "pending" } },
    waiting: { body: run("waiting"), means: { running: "pending" } },
    in_progress: {
      headers: { etag: 'W/"1"', "x-ratelimit-remaining": "4999" },
      body: run("in_progress"),
      means: { running: "processing" },
      times: [CREATED, UPDATED],
    },
    success: { body: SUCCESS, means: { completed: SUCCESS }, times: [CREATED, UPDATED] },
    skipped: {
      body: run("completed", "skipped"),
      means: { completed: run("completed", "skipped") },
    },
    "waits for a maintainer": {
      body: run("completed", "action_required"),
      means: { running: "pending" },
    },
    failure: { body: run("completed", "failure"), means: { failed: "failure" } },
    timed_out: { body: run("completed", "timed_out"), means: { failed: "timed_out" } },
    cancelled: { body: run("completed", "cancelled"), means: { canceled: "cancelled" } },
    "a wrong token": {
      status: 401,
      body: { message: "Bad credentials", status: "401" },
      means: { credential_rejected: "HTTP 401: Bad credentials" },
    },
    "a secondary limit that only its words tell": {
      status: 403,
      headers: { "x-ratelimit-remaining": "14", "x-ratelimit-reset": "1767225700" },
      body: {
        message:
          "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
      },
      means: {
        retry: "rate_limited",
        says: "HTTP 403: You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        wait_s: 60,
      },
    },
    "a token that may not": {
      status: 403,
      headers: { "x-ratelimit-remaining": "4990" },
      body: { message: "Resource not accessible by personal access token", status: "403" },
      means: {
        credential_rejected: "HTTP 403: Resource not accessible by personal access token",
      },
    },
    "an unknown run, or one that may not be seen": {
      status: 404,
      body: { message: "Not Found", status: "404" },
      isFirst: true,
      means: { retry: "not_visible_yet", says: "HTTP 404: Not Found" },
    },
    "the hour's requests used up": {
      status: 403,
      headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767226200" },
      body: { message: "API rate limit exceeded for user ID 1." },
      means: {
        retry: "rate_limited",
        says: "HTTP 403: API rate limit exceeded for user ID 1.",
        wait_s: 600,
      },
    },
    "too many at once": {
      status: 403,
      headers: { "x-ratelimit-remaining": "4000", "retry-after": "60" },
      body: { message: "You have exceeded a secondary rate limit." },
      means: {
        retry: "rate_limited",
        says: "HTTP 403: You have exceeded a secondary rate limit.",
        wait_s: 60,
      },
    },
    "too many requests": {
      status: 429,
      body: { message: "You have exceeded a secondary rate limit." },
      means: {
        retry: "rate_limited",
        says: "HTTP 429: You have exceeded a secondary rate limit.",
        wait_s: 60,
      },
    },
  },
} satisfies ProviderFixtures;
