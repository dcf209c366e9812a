import type { ProviderFixtures } from "../fixture.ts";

const API = "https://bigquery.googleapis.com/bigquery/v2/projects/acme";

function job(status: object, more: object = {}) {
  return {
    kind: "bigquery#job",
    id: "acme:EU.job_1",
    jobReference: { projectId: "acme", jobId: "job_1", location: "EU" },
    configuration: { jobType: "QUERY", query: { query: "select 1", useLegacySql: false } },
    statistics: { creationTime: "1735725600000", startTime: "1735725601000" },
    status,
    ...more,
  };
}

const LOADED = job(
  { state: "DONE" },
  {
    configuration: { jobType: "LOAD", load: { sourceUris: ["gs://bucket/a.csv"] } },
    statistics: {
      creationTime: "1735725600000",
      endTime: "1735725700000",
      load: { outputRows: "7" },
    },
  },
);
const ROWS = {
  kind: "bigquery#getQueryResultsResponse",
  schema: { fields: [{ name: "f0_", type: "INTEGER" }] },
  rows: [{ f: [{ v: "1" }] }],
  totalRows: "1",
  jobComplete: true,
};

function refusal(code: number, reason: string, message: string) {
  return { error: { code, message, errors: [{ message, domain: "global", reason }] } };
}

export const bigqueryFixtures = {
  provider: "bigquery",
  connection: { credential: "ya29.token" },
  job: { id: "job_1", params: { project: "acme", location: "EU" } },
  requests: {
    status: `GET ${API}/jobs/job_1?location=EU`,
    cancel: `POST ${API}/jobs/job_1/cancel?location=EU`,
    headers: { authorization: "Bearer ya29.token" },
  },
  answers: {
    PENDING: { body: job({ state: "PENDING" }), means: { running: "pending" } },
    RUNNING: {
      body: job({ state: "RUNNING" }),
      means: { running: "processing" },
      times: ["1735725600000", "1735725601000"],
    },
    "RUNNING, a load": {
      body: job({ state: "RUNNING" }, { statistics: { completionRatio: 0.5 } }),
      means: { running: "processing", progress: 0.5 },
    },
    "DONE, a query": {
      body: job({ state: "DONE" }),
      means: { asks: `GET ${API}/queries/job_1?location=EU` },
    },
    "DONE, a query with warnings": {
      body: job({ state: "DONE", errors: [{ reason: "invalid", message: "A row was skipped" }] }),
      means: { asks: `GET ${API}/queries/job_1?location=EU` },
    },
    "DONE, a load": {
      body: LOADED,
      means: { completed: LOADED },
      times: ["1735725600000", "1735725700000"],
    },
    "DONE, a query with an error that says nothing": {
      body: job({ state: "DONE", errorResult: {} }),
      means: { asks: `GET ${API}/queries/job_1?location=EU` },
    },
    "DONE with an error": {
      body: job({
        state: "DONE",
        errorResult: { reason: "notFound", message: "Not found: Table acme:d.t" },
      }),
      means: { failed: "Not found: Table acme:d.t" },
    },
    canceled: {
      body: job({
        state: "DONE",
        errorResult: { reason: "stopped", message: "Job execution was cancelled: User requested" },
      }),
      means: { canceled: "Job execution was cancelled: User requested" },
    },
    "a token that ran out": {
      status: 401,
      body: refusal(401, "authError", "Request had invalid authentication credentials."),
      means: {
        credential_rejected: "HTTP 401: Request had invalid authentication credentials. (401)",
      },
    },
    "no permission": {
      status: 403,
      body: refusal(403, "accessDenied", "Access Denied: Job acme:EU.job_1"),
      means: { credential_rejected: "HTTP 403: Access Denied: Job acme:EU.job_1 (403)" },
    },
    "an unknown job, or another location": {
      status: 404,
      body: refusal(404, "notFound", "Not found: Job acme:EU.job_1"),
      isFirst: true,
      means: { retry: "not_visible_yet", says: "HTTP 404: Not found: Job acme:EU.job_1 (404)" },
    },
    "too many requests, as 403": {
      status: 403,
      body: refusal(403, "rateLimitExceeded", "Exceeded rate limits: too many api requests"),
      means: {
        retry: "rate_limited",
        says: "HTTP 403: Exceeded rate limits: too many api requests (403)",
      },
    },
    "too many requests": {
      status: 429,
      body: refusal(429, "rateLimitExceeded", "Quota exceeded"),
      means: { retry: "rate_limited", says: "HTTP 429: Quota exceeded (429)" },
    },
  },
  results: { "the rows": { body: ROWS, means: { completed: ROWS } } },
} satisfies ProviderFixtures;
