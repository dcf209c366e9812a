import { expect } from "vitest";
import { parseDefinition } from "../../src/providers/definition/text.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { DONE, J, type Reply, RUNNING, type UpstreamCase } from "./upstream-walk.ts";

/* Words that end no job, spellings that hide none, and digits that survive. */

const FILE_ID = "174322306148984899";
const BIG = "7615917337495251231";
/** Another number of which a double holds the same. */
const NEAR = "7615917337495251000";
const NUMBERED = `{"status":"done","file_id":${FILE_ID}}`;

/** A result that takes a request with the file's id in it. */
function fileAt(
  request: Extract<ProviderDefinitionSource["result"], { kind: "request" }>["request"],
): Partial<ProviderDefinitionSource> {
  return { result: { kind: "request", request } };
}

/** Rules that compare a number, as a definition would be put: numbers keep their digits. */
function rulesOf(text: string): Partial<ProviderDefinitionSource> {
  return { rules: parseDefinition(text) as ProviderDefinitionSource["rules"] };
}

const RUN = "/api/2.2/jobs/runs/get?run_id=j";

const DIGITS: readonly UpstreamCase[] = [
  {
    title: "a 64-bit id of an answer goes into the path of the next request digit by digit",
    sources: ["VoidenHQ/voiden#417", "n8n-io/n8n#26925", "AdminAnticaptcha/anticaptcha-csharp#5"],
    definition: { ...fileAt({ path: "/files/{answer./file_id}" }), not_found_grace_s: 3 },
    answers: { [J]: [{ body: NUMBERED }], [`/files/${FILE_ID}`]: [{ body: {} }] },
    forS: 2,
    ends: { j: { type: "job.completed", result: "{}" } },
    requests: [J, `/files/${FILE_ID}`],
  },
  {
    title: "a 64-bit id of an answer goes into the query of the next request digit by digit",
    sources: ["n8n-io/n8n#26925"],
    definition: fileAt({ path: "/files", query: { id: "{answer./file_id}" } }),
    answers: { [J]: [{ body: NUMBERED }], [`/files?id=${FILE_ID}`]: [{ body: {} }] },
    forS: 2,
    ends: { j: { type: "job.completed" } },
  },
  {
    title:
      "a 64-bit id of an answer goes into the body and headers of the next request digit by digit",
    sources: ["n8n-io/n8n#26925"],
    definition: fileAt({
      method: "POST",
      path: "/files",
      headers: { "x-file": "{answer./file_id}" },
      body: { kind: "json", value: { id: "{answer./file_id}" } },
    }),
    answers: {
      [J]: [{ body: NUMBERED }],
      "/files": ({ headers, body }) => ({
        body: { header: headers["x-file"], sent: String(body) },
      }),
    },
    forS: 2,
    ends: {
      j: {
        type: "job.completed",
        result: JSON.stringify({ header: FILE_ID, sent: `{"id":"${FILE_ID}"}` }),
      },
    },
  },
  {
    title: "the id of a Databricks run above 2^53 asks for the output of that very run",
    sources: ["VoidenHQ/voiden#417"],
    definition: "databricks",
    baseUrl: "https://dbc.example.test",
    answers: {
      [RUN]: [
        {
          body: `{"state":{"life_cycle_state":"TERMINATED","result_state":"SUCCESS"},"tasks":[{"run_id":${FILE_ID}}]}`,
        },
      ],
      [`/api/2.2/jobs/runs/get-output?run_id=${FILE_ID}`]: [{ body: { output: 1 } }],
    },
    forS: 2,
    ends: { j: { type: "job.completed", result: '{"output":1}' } },
  },
  {
    title:
      "times of a job are passed on as they are spelled, nanoseconds and trailing zeros included",
    sources: ["postmanlabs/postman-app-support#3368", "demian85/gnip#18"],
    definition: {},
    answers: {
      [J]: [
        {
          body: '{"status":"done","created_at":1764400000123456789,"updated_at":1.50,"result":1}',
        },
      ],
    },
    forS: 1,
    ends: {
      j: {
        type: "job.completed",
        upstreamCreatedAt: "1764400000123456789",
        upstreamUpdatedAt: "1.50",
      },
    },
  },
  {
    title: "a 64-bit error code is told digit by digit",
    sources: ["postmanlabs/postman-app-support#3368"],
    definition: {},
    answers: { [J]: [{ body: `{"status":"failed","error":{"message":"boom","code":${BIG}}}` }] },
    forS: 1,
    ends: { j: { type: "job.failed", error: `boom (${BIG})` } },
  },
  {
    title: "a result keeps every digit of its numbers",
    sources: ["postmanlabs/postman-app-support#3368"],
    definition: {},
    answers: { [J]: [{ body: `{"status":"done","result":{"id": ${BIG}, "x": 1.10e2}}` }] },
    forS: 1,
    ends: { j: { type: "job.completed", result: `{"id":${BIG},"x":1.10e2}` } },
  },
  {
    title: "a rule for one number takes no other for it that a double can't tell apart",
    sources: ["demian85/gnip#18"],
    definition: rulesOf(`[{"all":[{"pointer":"/status","eq":${BIG}}],"observe":"completed"}]`),
    answers: { [J]: [{ body: `{"status":${NEAR},"result":1}` }] },
    forS: 2,
    says: new RegExp(`unknown status "${NEAR}"`),
  },
  {
    title: "a rule for a 64-bit number takes that very number",
    sources: ["demian85/gnip#18"],
    definition: rulesOf(`[{"all":[{"pointer":"/status","eq":${BIG}}],"observe":"completed"}]`),
    answers: { [J]: [{ body: `{"status":${BIG},"result":1}` }] },
    forS: 1,
    ends: { j: { type: "job.completed", result: "1" } },
  },
];

const FAL_JOB = {
  j: { status_url: "https://queue.fal.run/requests/j/status" },
};

/** A response of fal's queue with this error. */
function falDone(error: unknown): Reply {
  return {
    body: {
      status: "COMPLETED",
      request_id: "j",
      response_url: "https://queue.fal.run/requests/j",
      error,
      logs: null,
    },
  };
}

const OPERATION = "/v1/j";
const BIGQUERY = "/bigquery/v2/projects/p/jobs/j?location=US";

/** Ways to write that there is no error. */
const NO_ERROR: readonly unknown[] = [
  "",
  "  ",
  "None",
  "null",
  {},
  [],
  null,
  false,
  0,
  "0",
  { code: 0, message: "" },
  { code: "0", message: null, details: [{}] },
];

const EMPTY_ERRORS: readonly UpstreamCase[] = NO_ERROR.flatMap((error) => [
  {
    title: `a request that fal completed beside the error ${JSON.stringify(error)} has completed`,
    sources: ["sapiom/sapiom-js#771"],
    definition: "fal",
    jobs: FAL_JOB,
    answers: {
      "/requests/j/status": [falDone(error)],
      "/requests/j": [{ body: { images: [] } }],
    },
    forS: 2,
    ends: { j: { type: "job.completed", result: '{"images":[]}' } },
  },
  {
    title: `an operation of Google beside the error ${JSON.stringify(error)} has completed`,
    sources: ["sapiom/sapiom-js#771"],
    definition: "google-operation",
    baseUrl: "https://speech.googleapis.com",
    answers: {
      [OPERATION]: [{ body: { name: "operations/1", done: true, error, response: { v: 1 } } }],
    },
    forS: 2,
    ends: { j: { type: "job.completed", result: '{"v":1}' } },
  },
  {
    title: `a BigQuery job beside the errorResult ${JSON.stringify(error)} has completed`,
    sources: ["sapiom/sapiom-js#771"],
    definition: "bigquery",
    jobs: { j: { project: "p" } },
    answers: {
      [BIGQUERY]: [{ body: { status: { state: "DONE", errorResult: error }, configuration: {} } }],
    },
    forS: 2,
    ends: { j: { type: "job.completed" } },
  },
  {
    title: `an operation that auto recognizes beside the error ${JSON.stringify(error)} has completed`,
    sources: ["sapiom/sapiom-js#771"],
    definition: "auto",
    baseUrl: "https://api.example.test",
    jobs: { j: { status_url: "https://api.example.test/v1/operations/1" } },
    answers: {
      "/v1/operations/1": [{ body: { name: "operations/1", done: true, error, response: 1 } }],
    },
    forS: 2,
    ends: { j: { type: "job.completed" } },
  },
]);

const OK_ERRORS: readonly UpstreamCase[] = [0, "0"].flatMap((code) => {
  const body = { name: "operations/1", done: true, error: { code, message: "OK" }, response: 1 };
  return ["google-operation", "auto"].map((definition) => ({
    title: `an operation (${definition}) whose error is OK, code ${JSON.stringify(code)}, has completed`,
    sources: ["sapiom/sapiom-js#771"],
    definition,
    baseUrl: "https://speech.googleapis.com",
    jobs: { j: { status_url: `https://speech.googleapis.com${OPERATION}` } },
    answers: { [OPERATION]: [{ body }] },
    forS: 2,
    ends: { j: { type: "job.completed" } },
  }));
});

const GITHUB = { j: { owner: "o", repo: "r" } };
const GITHUB_RUN = "/repos/o/r/actions/runs/j";

const AZURE_JOB = { j: { operation_url: "https://management.example.test/op" } };
const AZURE = {
  definition: "azure-operation",
  baseUrl: "https://management.example.test",
  jobs: AZURE_JOB,
} as const;

/** The meaning that the vendor's SDK gives to each word in an operation's status. */
const AZURE_WORDS: readonly (readonly [word: string, type: "job.completed" | "job.failed"])[] = [
  ["Success", "job.completed"],
  ["Completed", "job.completed"],
  ["PartiallySucceeded", "job.completed"],
  ["ValidationFailed", "job.failed"],
  ["Error", "job.failed"],
  ["TimedOut", "job.failed"],
];

const WORDS: readonly UpstreamCase[] = [
  {
    title: "a GitHub run that waits for a maintainer has not ended, and is told when it has",
    sources: ["thedotmack/claude-mem#3593", "platonai/Browser4#579", "pytorch/test-infra#8028"],
    definition: "github-actions",
    jobs: GITHUB,
    answers: {
      [GITHUB_RUN]: [
        { body: { status: "completed", conclusion: "action_required" } },
        { body: { status: "queued" } },
        { body: { status: "completed", conclusion: "success" } },
      ],
    },
    forS: 10,
    ends: { j: { type: "job.completed", pollCount: 3 } },
  },
  ...AZURE_WORDS.map(([status, type]) => ({
    title: `an Azure operation whose status is ${status} ends as ${type}`,
    sources: ["Azure/azure-sdk-for-js#33625", "Azure/autorest#3765"],
    definition: AZURE.definition,
    baseUrl: AZURE.baseUrl,
    jobs: AZURE.jobs,
    answers: { "/op": [{ body: { status } }] },
    forS: 2,
    ends: { j: { type } },
  })),
  {
    title: "an Azure Location that answered 202 is done at 200, though its resource has a status",
    sources: ["Azure/azure-sdk-for-java#15998"],
    ...AZURE,
    answers: {
      "/op": [
        { status: 202 },
        { body: { searchId: "s1", status: "Reserved", phoneNumbers: ["+100"] } },
      ],
    },
    forS: 5,
    ends: {
      j: {
        type: "job.completed",
        result: '{"searchId":"s1","status":"Reserved","phoneNumbers":["+100"]}',
      },
    },
  },
  {
    title: "a word that no rule of an Azure operation knows is shown while it runs on",
    sources: ["Azure/azure-sdk-for-js#33625"],
    ...AZURE,
    answers: { "/op": [{ body: { status: "Reticulating" } }] },
    forS: 5,
    says: /unknown status "Reticulating"/,
  },
  {
    title: "a status in another case with a blank behind it ends the job",
    sources: [],
    definition: {},
    answers: { [J]: [{ body: { status: "DONE ", result: 1 } }] },
    forS: 1,
    ends: { j: { type: "job.completed", result: "1" } },
  },
  {
    title: "the blanks of an unknown status are shown",
    sources: [],
    definition: {},
    answers: { [J]: [{ body: { status: "DUN " } }] },
    forS: 1,
    says: /unknown status "DUN "/,
  },
  ...[
    { title: "a zero-width space", status: "done\u200B", says: /status "done\\u200b"/ },
    { title: "a soft hyphen", status: "done\u00AD", says: /status "done\\u00ad"/ },
    { title: "a delete character", status: "done\u007F", says: /status "done\\u007f"/ },
    { title: "a wide blank", status: "done\u3000now", says: /status "done\\u3000now"/ },
    { title: "a NUL", status: "done\0", says: /status "done\u2400"/ },
  ].map(({ title, status, says }) => ({
    title: `${title} in an unknown status is shown`,
    sources: [],
    definition: {},
    answers: { [J]: [{ body: { status } }] },
    forS: 1,
    says,
  })),
  {
    title: "the condition of a Kubernetes Job that counts says why it failed",
    sources: ["aquasecurity/trivy-kubernetes#403", "sikalabs/slu#423"],
    definition: "kubernetes-job",
    baseUrl: "https://cluster.example.test",
    answers: {
      "/apis/batch/v1/namespaces/default/jobs/j": [
        {
          body: {
            kind: "Job",
            status: {
              startTime: "2026-01-01T00:00:00Z",
              conditions: [
                { type: "FailureTarget", status: "True" },
                {
                  type: "Failed",
                  status: "True",
                  reason: "BackoffLimitExceeded",
                  message: "Job has reached the specified backoff limit",
                },
              ],
            },
          },
        },
      ],
    },
    forS: 2,
    ends: { j: { type: "job.failed", error: "Job has reached the specified backoff limit" } },
  },
  {
    title: "a Kubernetes Job that is about to fail or to complete has not ended yet",
    sources: ["aquasecurity/trivy-kubernetes#403"],
    definition: "kubernetes-job",
    baseUrl: "https://cluster.example.test",
    answers: {
      "/apis/batch/v1/namespaces/default/jobs/j": ["FailureTarget", "SuccessCriteriaMet"].map(
        (type) => ({ body: { kind: "Job", status: { conditions: [{ type, status: "True" }] } } }),
      ),
    },
    forS: 5,
    says: /^nothing$/,
  },
  {
    title: "an Azure Location is done at 200, though its resource has an error that says nothing",
    sources: ["Azure/azure-sdk-for-java#15998", "sapiom/sapiom-js#771"],
    ...AZURE,
    answers: { "/op": [{ status: 202 }, { body: { status: "Reserved", error: {} } }] },
    forS: 5,
    ends: { j: { type: "job.completed" } },
  },
  ...[null, ""].flatMap((file) => [
    {
      title: `a batch at OpenAI whose requests all failed has failed, its output file being ${JSON.stringify(file)}`,
      sources: [],
      definition: "openai-batch",
      answers: {
        "/v1/batches/j": [
          {
            body: {
              status: "completed",
              output_file_id: file,
              request_counts: { total: 2, completed: 0, failed: 2 },
            },
          },
        ],
      },
      forS: 2,
      ends: { j: { type: "job.failed", error: expect.stringContaining("All requests") } },
    },
    {
      title: `a batch at Mistral whose requests all failed has failed, its output file being ${JSON.stringify(file)}`,
      sources: [],
      definition: "mistral-batch",
      answers: {
        "/v1/batch/jobs/j": [
          {
            body: {
              status: "SUCCESS",
              output_file: file,
              succeeded_requests: 0,
              failed_requests: 2,
            },
          },
        ],
      },
      forS: 2,
      ends: { j: { type: "job.failed", error: expect.stringContaining("All requests") } },
    },
  ]),
  {
    title: "the last of two members with one name counts, for the rules and for the result",
    sources: [],
    definition: {},
    answers: { [J]: [{ body: '{"status":"running","result":1,"status":"done","result":2}' }] },
    forS: 1,
    ends: { j: { type: "job.completed", result: "2" } },
  },
  {
    title: "the last poll before the deadline finds the ending that came since the one before",
    sources: [],
    definition: {},
    deadlineS: 90,
    answers: { [J]: [{ ...RUNNING, headers: { "retry-after": "600" } }, DONE] },
    forS: 100,
    ends: { j: { type: "job.completed" } },
    requests: [J, J],
  },
];

export const WORDS_AND_DIGITS = [...DIGITS, ...EMPTY_ERRORS, ...OK_ERRORS, ...WORDS];
