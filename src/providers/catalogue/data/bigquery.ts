import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED_OR_ABORTED, COMPLETED } from "../ending-words.ts";

const STATE = { pointer: "/status/state" };
const DONE = { ...STATE, ...COMPLETED };

const JOB = {
  job_id: { pointer: "/jobReference/jobId" },
  params: {
    project: { pointer: "/jobReference/projectId" },
    location: { pointer: "/jobReference/location" },
  },
};

/** A job of BigQuery: a query, a load, an extract or a copy. */
export const bigquery = {
  name: "bigquery",
  title: "BigQuery jobs",
  documentation_url: "https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get",
  notes:
    "The result of a query is its schema and its first page of rows, with a pageToken if there are " +
    "more; that of any other job is the job itself. A job is found only in its location; the default " +
    "is that of the US. The credential is an OAuth access token, good for an hour: replace it by " +
    "PATCHing the connection before it runs out. Rows of a query without a destination table are kept " +
    "for about a day.",
  base_url: "https://bigquery.googleapis.com",
  auth: { kind: "bearer" },
  params: {
    project: { description: "The project that the job runs in." },
    location: { description: "The location of the job, such as EU.", default: "US" },
  },
  status: {
    path: "/bigquery/v2/projects/{params.project}/jobs/{job_id}",
    query: { location: "{params.location}" },
  },
  submit: [
    { path: "/bigquery/v2/projects/{project}/jobs", ...JOB },
    { path: "/upload/bigquery/v2/projects/{project}/jobs", ...JOB },
    {
      note: "A query that was not done within its timeoutMs.",
      path: "/bigquery/v2/projects/{project}/queries",
      when: { all: [{ pointer: "/jobComplete", eq: false }] },
      ...JOB,
    },
  ],
  cancel: {
    method: "POST",
    path: "/bigquery/v2/projects/{params.project}/jobs/{job_id}/cancel",
    query: { location: "{params.location}" },
  },
  rules: [
    {
      note: "stopped: somebody canceled it.",
      http_status: 200,
      all: [DONE, { pointer: "/status/errorResult/reason", ...CANCELED_OR_ABORTED }],
      observe: "canceled",
    },
    {
      note: "Errors in status.errors alone did not stop the job.",
      http_status: 200,
      all: [DONE, { pointer: "/status/errorResult", empty: false }],
      observe: "failed",
    },
    { http_status: 200, all: [DONE], observe: "completed" },
    { http_status: 200, all: [{ ...STATE, eq: "PENDING" }], observe: "running", phase: "pending" },
    { http_status: 200, all: [{ ...STATE, eq: "RUNNING" }], observe: "running" },
    {
      note: "Rate limits may come as 403.",
      http_status: 403,
      all: [
        {
          pointer: "/error/errors/0/reason",
          in: ["rateLimitExceeded", "quotaExceeded", "userRateLimitExceeded"],
        },
      ],
      observe: "rate_limited",
    },
  ],
  extract: {
    status: ["/status/state"],
    progress: ["/statistics/completionRatio"],
    error: ["/status/errorResult", "/error"],
    created_at: ["/statistics/creationTime"],
    updated_at: ["/statistics/endTime", "/statistics/startTime"],
  },
  result: {
    kind: "request",
    request: {
      path: "/bigquery/v2/projects/{params.project}/queries/{job_id}",
      query: { location: "{params.location}" },
    },
    only_if: [{ pointer: "/configuration/query", exists: true }],
  },
  schedule: { kind: "exponential", initial_s: 1, factor: 1.5, cap_s: 15 },
  limits: { concurrency: 16, requests_per_second: 20, burst: 20 },
  deadline_s: 48 * 3600,
} as const satisfies ProviderDefinitionSource;
