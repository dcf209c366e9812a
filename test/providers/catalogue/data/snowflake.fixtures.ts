import type { ProviderFixtures } from "../fixture.ts";

const HANDLE = "e4ce975e-f7ff-4b5e-b15e-bf25f59371ae";
const URL = `https://acme-dev.snowflakecomputing.com/api/v2/statements/${HANDLE}`;

function answer(code: string, message: string, more: object = {}) {
  return { code, message, sqlState: "00000", statementHandle: HANDLE, ...more };
}

const ROWS = answer("090001", "Statement executed successfully.", {
  createdOn: 1620151693299,
  resultSetMetaData: { numRows: 1, format: "jsonv2", rowType: [{ name: "C", type: "fixed" }] },
  data: [["1"]],
});
const SEVERAL = answer("090001", "Statement executed successfully.", {
  statementHandles: ["019c9f9a", "019c9f9b"],
  data: [["Multiple statements executed successfully."]],
});

export const snowflakeFixtures = {
  provider: "snowflake",
  connection: { base_url: "https://acme-dev.snowflakecomputing.com", credential: "pat" },
  job: { id: HANDLE },
  requests: {
    status: `GET ${URL}`,
    cancel: `POST ${URL}/cancel`,
    headers: {
      authorization: "Bearer pat",
      "x-snowflake-authorization-token-type": "PROGRAMMATIC_ACCESS_TOKEN",
    },
  },
  answers: {
    "being executed": {
      status: 202,
      body: answer("333334", "Asynchronous execution in progress."),
      means: { running: "processing" },
    },
    executed: { body: ROWS, means: { completed: ROWS }, times: ["1620151693299", null] },
    "executed, several statements": { body: SEVERAL, means: { completed: SEVERAL } },
    "executed, its rows only": {
      body: { resultSetMetaData: { numRows: 0 }, data: [] },
      means: { completed: { resultSetMetaData: { numRows: 0 }, data: [] } },
    },
    "what an API without a handle never answers": {
      body: {},
      means: {
        retry: "unusable_answer",
        says: "HTTP 200: the body has no status where one is expected.",
      },
    },
    failed: {
      status: 422,
      body: answer("001003", "SQL compilation error: syntax error line 1", { sqlState: "42000" }),
      means: { failed: "SQL compilation error: syntax error line 1 (001003)" },
    },
    canceled: {
      status: 422,
      body: answer("000604", "SQL execution canceled", { sqlState: "57014" }),
      means: { canceled: "SQL execution canceled (000604)" },
    },
    "out of its time": {
      status: 408,
      body: answer("000630", "Statement reached its statement timeout and was canceled.", {
        sqlState: "57014",
      }),
      means: { failed: "Statement reached its statement timeout and was canceled. (000630)" },
    },
    "a request that timed out": {
      status: 408,
      body: "",
      means: { retry: "upstream_fault", says: "HTTP 408" },
    },
    "a token that ran out": {
      status: 401,
      body: { code: "390318", message: "OAuth access token expired." },
      means: { credential_rejected: "HTTP 401: OAuth access token expired. (390318)" },
    },
    "an unknown or old handle": {
      status: 422,
      body: answer("000709", `Statement ${HANDLE} not found`, { sqlState: "02000" }),
      means: {
        expired: `The upstream no longer knows the job. HTTP 422: Statement ${HANDLE} not found (000709)`,
      },
    },
    "an unknown address": {
      status: 404,
      body: { code: "390404", message: "Not found" },
      isFirst: true,
      means: { retry: "not_visible_yet", says: "HTTP 404: Not found (390404)" },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "3" },
      body: { code: "390505", message: "Too many requests." },
      means: { retry: "rate_limited", says: "HTTP 429: Too many requests. (390505)", wait_s: 3 },
    },
  },
} satisfies ProviderFixtures;
