import type { ProviderFixtures } from "../fixture.ts";

const CREATED = "2026-01-01T00:00:00Z";
const STARTED = "2026-01-01T00:00:01Z";
const COMPLETED = "2026-01-01T00:05:00Z";

function job(status: object) {
  return {
    kind: "Job",
    apiVersion: "batch/v1",
    metadata: { name: "pi", namespace: "batch", creationTimestamp: CREATED },
    spec: { parallelism: 1, completions: 5 },
    status,
  };
}

function condition(type: string, status: string, message = "") {
  return { type, status, lastTransitionTime: STARTED, reason: type, message };
}

function refusal(code: number, reason: string, message: string) {
  return { kind: "Status", apiVersion: "v1", status: "Failure", message, reason, code };
}

const COMPLETE = {
  conditions: [condition("SuccessCriteriaMet", "True"), condition("Complete", "True")],
  startTime: STARTED,
  completionTime: COMPLETED,
  succeeded: 5,
};
const LIMIT = "Job has reached the specified backoff limit";
const FAILED = [condition("FailureTarget", "True", LIMIT), condition("Failed", "True", LIMIT)];

export const kubernetesJobFixtures = {
  provider: "kubernetes-job",
  connection: { base_url: "https://cluster.example.com:6443", credential: "token" },
  job: { id: "pi", params: { namespace: "batch" } },
  requests: {
    status: "GET https://cluster.example.com:6443/apis/batch/v1/namespaces/batch/jobs/pi",
    cancel:
      "DELETE https://cluster.example.com:6443/apis/batch/v1/namespaces/batch/jobs/pi?propagationPolicy=Background",
    headers: { authorization: "Bearer token" },
  },
  answers: {
    "not seen by its controller": {
      body: job({}),
      means: { running: "pending", progress: { completions: 5 } },
    },
    suspended: {
      body: job({ conditions: [condition("Suspended", "True", "Job suspended")] }),
      means: { running: "pending", progress: { completions: 5 } },
    },
    running: {
      body: job({ startTime: STARTED, active: 1, succeeded: 2 }),
      means: { running: "processing", progress: { active: 1, succeeded: 2, completions: 5 } },
      times: [CREATED, STARTED],
    },
    "resumed: a condition that no longer holds": {
      body: job({
        startTime: STARTED,
        active: 1,
        conditions: [condition("Suspended", "False", "Job resumed")],
      }),
      means: { running: "processing", progress: { active: 1, completions: 5 } },
    },
    "about to fail": {
      body: job({ startTime: STARTED, conditions: [condition("FailureTarget", "True", LIMIT)] }),
      means: { running: "processing", progress: { completions: 5 } },
    },
    complete: {
      body: job(COMPLETE),
      means: { completed: COMPLETE },
      times: [CREATED, COMPLETED],
    },
    failed: {
      body: job({ startTime: STARTED, failed: 7, conditions: FAILED }),
      means: { failed: LIMIT },
    },
    "a token that may not": {
      status: 403,
      body: refusal(403, "Forbidden", 'jobs.batch "pi" is forbidden'),
      means: { credential_rejected: 'HTTP 403: jobs.batch "pi" is forbidden' },
    },
    "a wrong token": {
      status: 401,
      body: refusal(401, "Unauthorized", "Unauthorized"),
      means: { credential_rejected: "HTTP 401: Unauthorized" },
    },
    "deleted after it ended": {
      status: 404,
      body: refusal(404, "NotFound", 'jobs.batch "pi" not found'),
      means: {
        expired: 'The upstream no longer knows the job. HTTP 404: jobs.batch "pi" not found',
      },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "1" },
      body: refusal(429, "TooManyRequests", "too many requests, please try again later"),
      means: {
        retry: "rate_limited",
        says: "HTTP 429: too many requests, please try again later",
        wait_s: 1,
      },
    },
  },
} satisfies ProviderFixtures;
