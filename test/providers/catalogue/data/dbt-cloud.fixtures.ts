import type { ProviderFixtures } from "../fixture.ts";

const URL = "https://cloud.getdbt.com/api/v2/accounts/1/runs/42";
const CREATED = "2026-01-01 00:00:00.000000+00:00";
const UPDATED = "2026-01-01 00:01:00.000000+00:00";

function run(status: number, humanized: string, more: object = {}) {
  return {
    status: { code: 200, is_success: true, user_message: "Success!", developer_message: "" },
    data: {
      id: 42,
      account_id: 1,
      status,
      status_humanized: humanized,
      status_message: null,
      artifacts_saved: false,
      created_at: CREATED,
      updated_at: UPDATED,
      finished_at: null,
      ...more,
    },
  };
}

function refusal(code: number, message: string) {
  return {
    status: { code, is_success: false, user_message: message, developer_message: "" },
    data: null,
  };
}

const WITHOUT_ARTIFACTS = run(10, "Success");

export const dbtCloudFixtures = {
  provider: "dbt-cloud",
  job: { id: "42", params: { account: "1" } },
  requests: {
    status: `GET ${URL}/`,
    cancel: `POST ${URL}/cancel/`,
    headers: { authorization: "Bearer key" },
  },
  answers: {
    queued: { body: run(1, "Queued"), means: { running: "pending" } },
    starting: { body: run(2, "Starting"), means: { running: "pending" } },
    running: {
      body: run(3, "Running"),
      means: { running: "processing" },
      times: [CREATED, UPDATED],
    },
    success: {
      body: run(10, "Success", { artifacts_saved: true, finished_at: UPDATED }),
      means: { asks: `GET ${URL}/artifacts/run_results.json` },
    },
    "success without artifacts": {
      body: WITHOUT_ARTIFACTS,
      means: { completed: WITHOUT_ARTIFACTS.data },
    },
    error: {
      body: run(20, "Error", { status_message: "dbt command failed" }),
      means: { failed: "dbt command failed" },
    },
    "error without a message": { body: run(20, "Error"), means: { failed: "Error" } },
    cancelled: {
      body: run(30, "Cancelled", { status_message: "Cancelled by user." }),
      means: { canceled: "Cancelled by user." },
    },
    "a wrong token": {
      status: 401,
      body: refusal(401, "The request was invalid, check the token."),
      means: { credential_rejected: "HTTP 401: The request was invalid, check the token." },
    },
    "an unknown run": {
      status: 404,
      body: refusal(404, "The requested resource wasn't found"),
      means: {
        expired:
          "The upstream no longer knows the job. HTTP 404: The requested resource wasn't found",
      },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "5" },
      body: refusal(429, "Too many requests"),
      means: { retry: "rate_limited", says: "HTTP 429: Too many requests", wait_s: 5 },
    },
  },
  results: {
    "the artifact": {
      body: { metadata: { dbt_version: "1.9.0" }, results: [{ status: "success" }] },
      means: {
        completed: { metadata: { dbt_version: "1.9.0" }, results: [{ status: "success" }] },
      },
    },
    "a step that wrote none": {
      status: 404,
      body: refusal(404, "Artifact not found"),
      means: { completed: "what the status answer says" },
    },
  },
} satisfies ProviderFixtures;
