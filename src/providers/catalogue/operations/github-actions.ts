import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, withWords } from "../ending-words.ts";

const ENDED = { pointer: "/status", ...COMPLETED };
const CONCLUSION = { pointer: "/conclusion" };
const WAITING = {
  in: ["action_required", "requires_action", "awaiting_approval", "waiting", "paused", "blocked"],
  ignore_case: true,
};

/** A run of a workflow on GitHub. */
export const githubActions = {
  name: "github-actions",
  title: "GitHub Actions workflow runs",
  documentation_url: "https://docs.github.com/rest/actions/workflow-runs#get-a-workflow-run",
  notes:
    "The result is the run, whose URLs lead to its jobs, logs and artifacts. neutral and skipped count " +
    "as completed. Answers that say that nothing changed do not count against the token's limit. A " +
    "private repository that the token may not see is a 404. For GitHub Enterprise Server give the " +
    "connection a base_url such as https://github.example.com/api/v3. That a run is run again after it " +
    "ended is not seen.",
  base_url: "https://api.github.com",
  auth: { kind: "bearer" },
  headers: {
    accept: "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
  },
  params: {
    owner: { description: "The repository's owner." },
    repo: { description: "The repository's name." },
  },
  status: { path: "/repos/{params.owner}/{params.repo}/actions/runs/{job_id}", etag: true },
  submit: [
    {
      note: "With return_run_details: true; without it the answer names no run.",
      path: "/repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches",
      when: { http_status: 200 },
      job_id: { pointer: "/workflow_run_id" },
      params: { owner: { path: "owner" }, repo: { path: "repo" } },
    },
  ],
  cancel: {
    method: "POST",
    path: "/repos/{params.owner}/{params.repo}/actions/runs/{job_id}/cancel",
  },
  rules: [
    {
      http_status: 200,
      all: [ENDED, { ...CONCLUSION, ...withWords(COMPLETED, ["neutral", "skipped"]) }],
      observe: "completed",
    },
    { http_status: 200, all: [ENDED, { ...CONCLUSION, ...CANCELED }], observe: "canceled" },
    {
      note: "It waits for a maintainer, and goes on or is canceled then.",
      http_status: 200,
      all: [ENDED, { ...CONCLUSION, ...WAITING }],
      observe: "running",
      phase: "pending",
    },
    {
      note: "failure, timed_out, startup_failure, stale.",
      http_status: 200,
      all: [ENDED, { ...CONCLUSION, empty: false }],
      observe: "failed",
    },
    {
      http_status: 200,
      all: [{ pointer: "/status", in: ["queued", "requested", "waiting", "pending"] }],
      observe: "running",
      phase: "pending",
    },
    { http_status: 200, all: [{ pointer: "/status", eq: "in_progress" }], observe: "running" },
    {
      note: "The hour's requests are used up.",
      http_status: [403, 429],
      headers: [{ name: "x-ratelimit-remaining", eq: "0" }],
      observe: "rate_limited",
    },
    {
      note: "The secondary limit: too many at once.",
      http_status: [403, 429],
      headers: [{ name: "retry-after", exists: true }],
      observe: "rate_limited",
    },
    {
      note: "The same, which only its words tell: to be left alone for a minute at least.",
      http_status: [403, 429],
      all: [{ pointer: "/message", contains: "rate limit", ignore_case: true }],
      observe: "rate_limited",
      wait_s: 60,
    },
  ],
  extract: {
    status: ["/status"],
    error: ["/message", "/conclusion"],
    created_at: ["/created_at"],
    updated_at: ["/updated_at"],
  },
  schedule: { kind: "exponential", initial_s: 2, factor: 1.5, cap_s: 20 },
  limits: { concurrency: 16, requests_per_second: 10, burst: 10 },
  rate_limit_reset_headers: ["x-ratelimit-reset"],
  // A run takes 35 days at most.
  deadline_s: 35 * 24 * 3600,
  deadline_s_max: 36 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
