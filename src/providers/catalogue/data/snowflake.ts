import type { ProviderDefinitionSource } from "../../definition/definition.ts";

const CODE = { pointer: "/code" };
const TOKEN_TYPE = { "x-snowflake-authorization-token-type": "{params.token_type}" };

/** A statement that was submitted to Snowflake's SQL API. */
export const snowflake = {
  name: "snowflake",
  title: "Snowflake SQL API statements",
  documentation_url: "https://docs.snowflake.com/developer-guide/sql-api/reference",
  notes:
    "The job id is the statementHandle, the connection's base_url the account's. The result is the " +
    "whole answer: data holds the first partition of the rows, as texts, resultSetMetaData their " +
    "columns and the other partitions. Of several statements in one it names their handles. The param " +
    "token_type says what the credential is: a programmatic access token unless KEYPAIR_JWT or OAUTH, " +
    "both of which run out within the hour and are replaced by PATCHing the connection. Results are " +
    "kept for 24 h. ‡ The code of a handle that is unknown is known from reports only.",
  auth: { kind: "bearer" },
  params: {
    token_type: {
      description: "PROGRAMMATIC_ACCESS_TOKEN, KEYPAIR_JWT or OAUTH.",
      default: "PROGRAMMATIC_ACCESS_TOKEN",
    },
  },
  status: { path: "/api/v2/statements/{job_id}", headers: TOKEN_TYPE },
  submit: [
    {
      note: "With async=true, or a statement that took longer than 45 s.",
      path: "/api/v2/statements",
      when: { http_status: 202 },
      job_id: { pointer: "/statementHandle" },
    },
  ],
  cancel: { method: "POST", path: "/api/v2/statements/{job_id}/cancel", headers: TOKEN_TYPE },
  rules: [
    { http_status: 202, observe: "running" },
    {
      note: "Other content with 200, such as that of a proxy, is no result.",
      http_status: 200,
      all: [{ pointer: "/statementHandle", empty: false }],
      observe: "completed",
    },
    {
      http_status: 200,
      all: [{ pointer: "/resultSetMetaData", exists: true }],
      observe: "completed",
    },
    {
      note: "SQL execution canceled.",
      http_status: 422,
      all: [{ ...CODE, eq: "000604" }],
      observe: "canceled",
    },
    {
      note: "Statement … not found.",
      http_status: 422,
      all: [{ ...CODE, eq: "000709" }],
      observe: "not_found",
    },
    { http_status: 422, all: [{ ...CODE, empty: false }], observe: "failed" },
    {
      note: "The statement's own timeout, not that of the request.",
      http_status: 408,
      all: [{ pointer: "/statementHandle", empty: false }],
      observe: "failed",
    },
  ],
  extract: { error: [""], created_at: ["/createdOn"] },
  schedule: { kind: "exponential", initial_s: 1, factor: 1.5, cap_s: 15 },
  limits: { concurrency: 8, requests_per_second: 10, burst: 10 },
  // A statement has two days unless the account is configured otherwise.
  deadline_s: 48 * 3600,
} as const satisfies ProviderDefinitionSource;
