import type { ProviderDefinitionSource } from "../../definition/definition.ts";

const STATUS = { pointer: "/data/status" };

/** A run of a job of the dbt platform. */
export const dbtCloud = {
  name: "dbt-cloud",
  title: "dbt Cloud runs",
  documentation_url: "https://docs.getdbt.com/dbt-cloud/api-v2",
  notes:
    "The result is an artifact of the run's last step, run_results.json unless the param artifact says " +
    "otherwise; a run that saved none has itself as the result. Accounts with an address of their own " +
    "(ab123.us1.dbt.com, emea.dbt.com, …) give it as the connection's base_url. The credential is a " +
    "service token or a personal access token. ‡ The rate limits are not published as numbers.",
  base_url: "https://cloud.getdbt.com",
  auth: { kind: "bearer" },
  params: {
    account: { description: "The id of the account." },
    artifact: { description: "The file that is the result.", default: "run_results.json" },
  },
  status: { path: "/api/v2/accounts/{params.account}/runs/{job_id}/" },
  submit: [
    {
      path: "/api/v2/accounts/{account}/jobs/{job}/run/",
      job_id: { pointer: "/data/id" },
      params: { account: { path: "account" } },
    },
  ],
  cancel: { method: "POST", path: "/api/v2/accounts/{params.account}/runs/{job_id}/cancel/" },
  rules: [
    {
      note: "1 queued, 2 starting.",
      http_status: 200,
      all: [{ ...STATUS, in: [1, 2] }],
      observe: "running",
      phase: "pending",
    },
    { http_status: 200, all: [{ ...STATUS, eq: 3 }], observe: "running" },
    { http_status: 200, all: [{ ...STATUS, eq: 10 }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, eq: 20 }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, eq: 30 }], observe: "canceled" },
  ],
  extract: {
    status: ["/data/status_humanized", "/data/status"],
    error: ["/data/status_message", "/data/status_humanized", "/status/user_message"],
    created_at: ["/data/created_at"],
    updated_at: ["/data/finished_at", "/data/updated_at"],
  },
  result: {
    kind: "request",
    request: {
      path: "/api/v2/accounts/{params.account}/runs/{job_id}/artifacts/{+params.artifact}",
    },
    only_if: [{ pointer: "/data/artifacts_saved", eq: true }],
    otherwise_on: [404],
    // An artifact exists or was not saved.
    gone_after: { answers: 3, over_s: 60 },
    otherwise: ["/data"],
  },
  schedule: { kind: "exponential", initial_s: 5, factor: 1.5, cap_s: 30 },
  limits: { concurrency: 8, requests_per_second: 5, burst: 5 },
  deadline_s: 48 * 3600,
} as const satisfies ProviderDefinitionSource;
