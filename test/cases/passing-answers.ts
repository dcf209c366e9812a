import { expect } from "vitest";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { DONE, J, type Reply, RUNNING, type UpstreamCase } from "./upstream-walk.ts";

/* One answer may be a passing one: it ends no job and pauses no connection. */

const FILED: Reply = { body: { status: "done", file_id: "f-1" } };
const NO_FILE: Reply = { status: 404, body: { detail: "Result not found" } };
const FILE: Partial<ProviderDefinitionSource> = {
  result: { kind: "request", request: { path: "/files/{answer./file_id}" } },
};

const GITHUB = { j: { owner: "o", repo: "r" } };
const GITHUB_RUN = "/repos/o/r/actions/runs/j";
const CHALLENGE: Reply = {
  status: 403,
  headers: { "content-type": "text/html" },
  body: "<html><title>Just a moment...</title></html>",
};

const PARSED = "/api/v2/parse/j";
const PARSED_RESULT = `${PARSED}?expand=markdown`;

/** A job that stays unknown for so many answers, and is there again then. */
function missingFor(count: number): Reply[] {
  const missing = { status: 404, body: { error: "status file is being written" } };
  return [RUNNING, RUNNING, ...Array.from({ length: count }, () => missing), RUNNING, DONE];
}

const OF_ABSENCE: readonly UpstreamCase[] = [
  {
    title: "a job that is unknown once in the middle of its life goes on and completes",
    sources: ["gbif/gbif-data-validator#66", "projectkudu/kudu#2254", "w3c/echidna#302"],
    definition: {},
    answers: { [J]: missingFor(1) },
    forS: 10,
    ends: { j: { type: "job.completed", result: '"alive"' } },
  },
  {
    title: "a job that is unknown twice in the middle of its life goes on and completes",
    sources: ["projectkudu/kudu#2254"],
    definition: {},
    answers: { [J]: missingFor(2) },
    forS: 10,
    ends: { j: { type: "job.completed", result: '"alive"' } },
  },
  {
    title: "a job that answers 410 once in the middle of its life goes on and completes",
    sources: ["w3c/echidna#302"],
    definition: {},
    answers: { [J]: [RUNNING, { status: 410, body: { error: "gone" } }, DONE] },
    forS: 10,
    ends: { j: { type: "job.completed" } },
  },
  {
    title: "while it is asked again, last_error counts the answers that say a job is gone",
    sources: ["gbif/gbif-data-validator#66"],
    definition: {},
    answers: { [J]: missingFor(100) },
    forS: 4,
    says: /^HTTP 404: status file is being written \(2 such answers in a row; the job counts as gone after 3 over 30 s\)$/,
  },
  {
    title: "a job that stays unknown for half a minute has expired",
    sources: ["gbif/gbif-data-validator#66"],
    definition: {},
    answers: { [J]: missingFor(100) },
    forS: 60,
    ends: { j: { type: "job.expired", error: expect.stringContaining("no longer knows the job") } },
  },
  {
    title: "a result that answers 404 for minutes while the job says it succeeded is delivered",
    sources: ["run-llama/llama_cloud_services#319"],
    definition: "llamaparse",
    answers: {
      [PARSED]: [{ body: { job: { id: "j", status: "SUCCESS" } } }],
      [PARSED_RESULT]: [...Array.from({ length: 8 }, () => NO_FILE), { body: { markdown: "#" } }],
    },
    forS: 600,
    ends: { j: { type: "job.completed", result: '{"markdown":"#"}' } },
  },
  {
    title:
      "a result that is missing after half a minute is still asked for, and last_error says so",
    sources: ["run-llama/llama_cloud_services#319"],
    definition: "llamaparse",
    answers: {
      [PARSED]: [{ body: { job: { id: "j", status: "COMPLETED" } } }],
      [PARSED_RESULT]: [NO_FILE],
    },
    forS: 1200,
    says: /has completed, but its result could not be fetched: HTTP 404.*5 over 1800 s/,
  },
  {
    title: "a result that stays missing for as long as the definition says has expired",
    sources: ["run-llama/llama_cloud_services#319"],
    definition: { ...FILE },
    answers: { [J]: [FILED], "/files/f-1": [NO_FILE] },
    forS: 700,
    ends: { j: { type: "job.expired", error: expect.stringContaining("its result is gone") } },
  },
  {
    title: "a result that a job of any definition gets late is delivered, grace period or not",
    sources: ["run-llama/llama_cloud_services#319"],
    definition: { ...FILE, not_found_grace_s: 3 },
    answers: { [J]: [FILED], "/files/f-1": [NO_FILE, NO_FILE, NO_FILE, { body: "7" }] },
    forS: 120,
    ends: { j: { type: "job.completed", result: "7" } },
  },
  {
    title: "a job that only one replica knows is asked there, by the balancer's cookie",
    sources: ["w3c/echidna#302", "infiniflow/ragflow#17397"],
    definition: {},
    answers: {
      [J]: ({ headers }, nth) => {
        if (nth === 1) return { ...RUNNING, headers: { "set-cookie": "AWSALB=r1; path=/" } };
        if (headers["cookie"] !== "AWSALB=r1") return { status: 404 };
        return nth < 4 ? RUNNING : DONE;
      },
    },
    forS: 5,
    ends: { j: { type: "job.completed", pollCount: 4 } },
  },
];

const OF_CREDENTIALS: readonly UpstreamCase[] = [
  {
    title: "a rate limit that only the text of a 403 tells pauses for a minute, and lifts itself",
    sources: ["hub4j/github-api#2009", "hub4j/github-api#2267", "hivecommons/hive#4674"],
    definition: "github-actions",
    jobs: GITHUB,
    answers: {
      [GITHUB_RUN]: [
        {
          status: 403,
          headers: { "x-ratelimit-remaining": "14", "x-ratelimit-limit": "30" },
          body: {
            message:
              "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
          },
        },
        { body: { status: "completed", conclusion: "success" } },
      ],
    },
    forS: 120,
    ends: { j: { type: "job.completed" } },
    waitsMs: [60_000, 75_000],
  },
  {
    title: "the same words pause a connection of any definition for a minute, not for good",
    sources: ["hivecommons/hive#4674"],
    definition: {},
    answers: {
      [J]: [{ status: 403, body: { error: { message: "Too many requests, slow down" } } }, DONE],
    },
    forS: 120,
    ends: { j: { type: "job.completed" } },
    waitsMs: [60_000, 75_000],
  },
  ...[
    { "retry-after": "120" },
    { "x-ratelimit-remaining": "0", "retry-after": "120" },
    { "x-ratelimit-remaining": "0" },
  ].map((headers: Readonly<Record<string, string>>) => ({
    title: `a 403 with ${Object.keys(headers).join(" and ")} is a rate limit, for as long as it says`,
    sources: ["hub4j/github-api#2009"],
    definition: {},
    answers: { [J]: [{ status: 403, headers, body: { message: "Forbidden" } }, DONE] },
    forS: 300,
    ends: { j: { type: "job.completed" } },
    waitsMs: "retry-after" in headers ? ([120_000, 150_000] as const) : ([60_000, 75_000] as const),
    isPaused: false,
  })),
  {
    title: "one job's bot challenge in HTML pauses none of the other jobs of its key",
    sources: [
      "tashfeenahmed/freellmapi#1298",
      "w3c/w3c-api#83",
      "openaustralia/theyvoteforyou#1568",
    ],
    definition: {},
    jobs: { bad: {}, ok1: {}, ok2: {} },
    answers: {
      "/jobs/bad": [CHALLENGE],
      "/jobs/ok1": [RUNNING, RUNNING, RUNNING, DONE],
      "/jobs/ok2": [RUNNING, RUNNING, RUNNING, DONE],
    },
    forS: 8,
    ends: { ok1: { type: "job.completed" }, ok2: { type: "job.completed" } },
    says: /^HTTP 403 \(text\/html\)/,
  },
  {
    title: "a 403 that passes leaves no trace: the job is asked again and completes",
    sources: ["w3c/w3c-api#83"],
    definition: {},
    answers: { [J]: [CHALLENGE, RUNNING, DONE] },
    forS: 10,
    ends: { j: { type: "job.completed" } },
  },
  {
    title: "a single 401 in JSON after the key has worked pauses nothing",
    sources: ["openaustralia/theyvoteforyou#1568"],
    definition: {},
    answers: { [J]: [RUNNING, { status: 401, body: { error: "try again" } }, DONE] },
    forS: 10,
    ends: { j: { type: "job.completed" } },
  },
  {
    title: "a key that is refused again and again pauses its connection, with the reason",
    sources: ["sasjs/adapter#403"],
    definition: { auth: { kind: "bearer" } },
    answers: { [J]: [RUNNING, { status: 401, body: { error: "token has run out" } }] },
    forS: 60,
    isPaused: true,
  },
  {
    title: "an upstream that refuses requests without a User-Agent gets one with every poll",
    sources: ["tashfeenahmed/freellmapi#1298"],
    definition: {},
    answers: {
      [J]: ({ headers }) => (headers["user-agent"]?.startsWith("Ringback/") ? DONE : CHALLENGE),
    },
    forS: 1,
    ends: { j: { type: "job.completed" } },
  },
  {
    title: "a definition's own User-Agent comes before the default one",
    sources: ["tashfeenahmed/freellmapi#1298"],
    definition: { headers: { "user-agent": "acme/1" } },
    answers: { [J]: ({ headers }) => (headers["user-agent"] === "acme/1" ? DONE : CHALLENGE) },
    forS: 1,
    ends: { j: { type: "job.completed" } },
  },
];

const PROXY_PAGE = { "content-type": "text/html" };

/** An error page of a proxy before the API, in the status that the API has for a job that failed. */
function proxyPage(status: number): Reply {
  return { status, headers: PROXY_PAGE, body: "<html>Bad Request</html>" };
}

const STATUS_URL = { j: { status_url: "https://api.example.test/op" } };

const OF_PROXIES: readonly UpstreamCase[] = [
  ...[400, 409, 412, 422].map((status) => ({
    title: `a page of a proxy with HTTP ${status} is no ending of an Azure operation`,
    sources: [],
    definition: "azure-operation",
    baseUrl: "https://api.example.test",
    jobs: { j: { operation_url: "https://api.example.test/op" } },
    answers: { "/op": [{ status: 202 }, proxyPage(status), { body: { status: "Succeeded" } }] },
    forS: 60,
    ends: { j: { type: "job.completed" } },
  })),
  ...[400, 422].map((status) => ({
    title: `a page of a proxy with HTTP ${status} in place of fal's result is no ending`,
    sources: [],
    definition: "fal",
    jobs: { j: { status_url: "https://queue.fal.run/requests/j/status" } },
    answers: {
      "/requests/j/status": [
        { body: { status: "COMPLETED", response_url: "https://queue.fal.run/requests/j" } },
      ],
      "/requests/j": [proxyPage(status), { body: { images: [] } }],
    },
    forS: 60,
    ends: { j: { type: "job.completed", result: '{"images":[]}' } },
  })),
  {
    title: "a page of a proxy with HTTP 422 is no ending of a statement in Snowflake",
    sources: [],
    definition: "snowflake",
    baseUrl: "https://acme.snowflakecomputing.com",
    answers: {
      "/api/v2/statements/j": [
        { status: 202, body: {} },
        proxyPage(422),
        { body: { statementHandle: "j", data: [] } },
      ],
    },
    forS: 60,
    ends: { j: { type: "job.completed" } },
  },
  {
    title:
      "a page of a proxy with HTTP 400 in place of a run's output at Databricks loses no output",
    sources: [],
    definition: "databricks",
    baseUrl: "https://acme.cloud.databricks.com",
    answers: {
      "/api/2.2/jobs/runs/get?run_id=j": [
        {
          body: {
            state: { life_cycle_state: "TERMINATED", result_state: "SUCCESS" },
            tasks: [{ run_id: 7 }],
          },
        },
      ],
      "/api/2.2/jobs/runs/get-output?run_id=7": [
        proxyPage(400),
        { body: { notebook_output: { result: "42" } } },
      ],
    },
    forS: 60,
    ends: { j: { type: "job.completed", result: '{"notebook_output":{"result":"42"}}' } },
  },
  ...[{ body: { error: "upstream timeout" } }, { body: {} }, { status: 204 }].map(
    (reply: Reply) => ({
      title: `an API without a definition that said "running" has not completed by ${JSON.stringify(reply)}`,
      sources: [],
      definition: "auto",
      baseUrl: "https://api.example.test",
      jobs: STATUS_URL,
      answers: {
        "/op": [RUNNING, reply, { body: { status: "succeeded", result: 1 } }],
      },
      forS: 60,
      ends: { j: { type: "job.completed", result: '{"status":"succeeded","result":1}' } },
    }),
  ),
];

export const PASSING_ANSWERS = [...OF_ABSENCE, ...OF_CREDENTIALS, ...OF_PROXIES];
