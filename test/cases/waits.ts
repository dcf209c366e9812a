import { DONE, J, NOW_S, type Reply, RUNNING, type UpstreamCase } from "./upstream-walk.ts";

/* A wait that can't be meant is not believed, and one that is meant is kept, however it is written. */

function limited(headers: Reply["headers"]): Reply {
  return { status: 429, headers: { ...headers }, body: { error: "slow" } };
}

const RESET = { rate_limit_reset_headers: ["x-ratelimit-reset"] };
const IN_4_S = NOW_S + 4;

/** The spellings of a wait of four seconds. */
const FOUR_SECONDS: readonly (readonly [how: string, headers: Record<string, string>])[] = [
  ["Retry-After holds seconds since 1970", { "retry-after": `${IN_4_S}` }],
  ["Retry-After holds milliseconds since 1970", { "retry-after": `${IN_4_S}000` }],
  ["Retry-After holds microseconds since 1970", { "retry-after": `${IN_4_S}000000` }],
  ["Retry-After holds nanoseconds since 1970", { "retry-after": `${IN_4_S}000000000` }],
  ["Retry-After holds seconds", { "retry-after": "4" }],
  ["Retry-After holds a duration", { "retry-after": "4s" }],
  ["Retry-After holds a date", { "retry-after": "Thu, 01 Jan 2026 00:00:04 GMT" }],
  [
    "Retry-After holds a date of a clock that is a day behind, as Date tells",
    {
      "retry-after": "Wed, 31 Dec 2025 00:00:04 GMT",
      date: "Wed, 31 Dec 2025 00:00:00 GMT",
    },
  ],
  ["retry-after-ms holds milliseconds", { "retry-after-ms": "4000" }],
  ["a reset header holds seconds since 1970", { "x-ratelimit-reset": `${IN_4_S}` }],
  ["a reset header holds milliseconds since 1970", { "x-ratelimit-reset": `${IN_4_S}000` }],
  ["a reset header holds microseconds since 1970", { "x-ratelimit-reset": `${IN_4_S}000000` }],
  ["a reset header holds nanoseconds since 1970", { "x-ratelimit-reset": `${IN_4_S}000000000` }],
  ["a reset header holds seconds from now", { "x-ratelimit-reset": "4" }],
  ["a reset header holds a duration", { "x-ratelimit-reset": "4s" }],
  ["a reset header holds a duration of two units", { "x-ratelimit-reset": "0m4s" }],
  ["RateLimit is written as in the drafts", { ratelimit: "limit=100, remaining=0, reset=4" }],
  ["RateLimit holds a list of policies", { ratelimit: '"burst";r=0;t=4, "day";r=9;t=86400' }],
];

/** Implausible waits. */
const IMPOSSIBLE: readonly (readonly [how: string, headers: Record<string, string>])[] = [
  ["Retry-After asks for three years", { "retry-after": "99999999" }],
  ["Retry-After names the year 2100", { "retry-after": "Fri, 01 Jan 2100 00:00:00 GMT" }],
  ["Retry-After is no wait at all", { "retry-after": "soon" }],
  ["Retry-After is negative", { "retry-after": "-5" }],
  ["Retry-After lies in the past", { "retry-after": `${NOW_S - 86_400}` }],
  ["a reset header asks for three years", { "x-ratelimit-reset": "99999999" }],
  ["a reset header lies in the past", { "x-ratelimit-reset": `${NOW_S - 86_400}` }],
];

const OF_LIMITS: readonly UpstreamCase[] = [
  ...FOUR_SECONDS.map(([how, headers]) => ({
    title: `a connection that is limited for four seconds goes on after them when ${how}`,
    sources: [
      "openclaw/clawhub#407",
      "pubg/api-documentation-content#61",
      "vectorize-io/hindsight#3508",
      "productdevbook/misina#62",
    ],
    definition: RESET,
    answers: { [J]: [limited(headers), DONE] },
    forS: 10,
    ends: { j: { type: "job.completed" } },
    waitsMs: [4000, 6000] as const,
  })),
  ...IMPOSSIBLE.map(([how, headers]) => ({
    title: `a connection goes on within a minute when ${how}`,
    sources: ["mvanhorn/cli-printing-press#542", "edgefirst-dev/worker-kv-rate-limit#14"],
    definition: RESET,
    answers: { [J]: [limited(headers), DONE] },
    forS: 61,
    ends: { j: { type: "job.completed" } },
  })),
  {
    title: "a limit that ends in minutes and seconds holds for as long",
    sources: ["vectorize-io/hindsight#3508"],
    definition: RESET,
    answers: { [J]: [limited({ "x-ratelimit-reset": "6m0s" }), DONE] },
    forS: 400,
    ends: { j: { type: "job.completed" } },
    waitsMs: [360_000, 380_000],
  },
  {
    title: "a limit that ends in milliseconds holds for no longer than that",
    sources: ["vectorize-io/hindsight#3508"],
    definition: RESET,
    answers: { [J]: [limited({ "x-ratelimit-reset": "250ms" }), DONE] },
    forS: 10,
    ends: { j: { type: "job.completed" } },
    waitsMs: [250, 3000],
  },
  {
    title: "the other jobs of a limited connection are asked after the same four seconds",
    sources: ["openclaw/clawhub#407"],
    definition: { ...RESET, limits: { concurrency: 1 } },
    jobs: { a: {}, b: {} },
    answers: { "/jobs/a": [limited({ "retry-after": `${IN_4_S}` }), RUNNING], "/jobs/b": [DONE] },
    forS: 10,
    ends: { b: { type: "job.completed" } },
    waitsMs: [4000, 6000],
  },
  {
    title: "a wait of hours is cut to one, unless the definition is known for longer ones",
    sources: ["edgefirst-dev/worker-kv-rate-limit#14"],
    definition: RESET,
    answers: { [J]: [limited({ "retry-after": `${20 * 3600}` }), DONE] },
    forS: 4500,
    ends: { j: { type: "job.completed" } },
    waitsMs: [3_600_000, 4_000_000],
  },
  {
    title: "an API known for waits of hours is left alone for as long as it asks",
    sources: ["pubg/api-documentation-content#61"],
    definition: { ...RESET, asked_wait_s_max: 24 * 3600 },
    answers: { [J]: [limited({ "retry-after": `${5 * 3600}` }), DONE] },
    forS: 6 * 3600,
    ends: { j: { type: "job.completed" } },
    waitsMs: [5 * 3_600_000, 5.5 * 3_600_000],
  },
  {
    title: "a wait that can't be meant is shown as it is written",
    sources: ["pubg/api-documentation-content#61"],
    definition: RESET,
    answers: { [J]: [limited({ "retry-after": "99999999" })] },
    forS: 0.5,
    says: /retry-after: 99999999, which can't be meant/,
  },
  {
    title: "a wait since 1970 is shown as it is written, and as what it is taken for",
    sources: ["openclaw/clawhub#407"],
    definition: RESET,
    answers: { [J]: [limited({ "retry-after": `${IN_4_S}` })] },
    forS: 0.5,
    says: new RegExp(`retry-after: ${IN_4_S}, taken as 4 s`),
  },
];

const OF_RUNNING_JOBS: readonly UpstreamCase[] = [
  ...FOUR_SECONDS.slice(0, 9).map(([how, headers]) => ({
    title: `a running job is asked again after four seconds when ${how}`,
    sources: ["openclaw/clawhub#407"],
    definition: {},
    answers: { [J]: [{ ...RUNNING, headers }, DONE] },
    forS: 10,
    ends: { j: { type: "job.completed" } },
    waitsMs: [4000, 6000] as const,
  })),
  ...IMPOSSIBLE.slice(0, 5).map(([how, headers]) => ({
    title: `a running job is asked again by its schedule when ${how}`,
    sources: ["mvanhorn/cli-printing-press#542"],
    definition: {},
    answers: { [J]: [{ ...RUNNING, headers }, DONE] },
    forS: 5,
    ends: { j: { type: "job.completed" } },
    waitsMs: [1000, 2000] as const,
  })),
  {
    title: "a running job's wait that can't be meant is shown as it is written",
    sources: ["pubg/api-documentation-content#61"],
    definition: {},
    answers: { [J]: [{ ...RUNNING, headers: { "retry-after": "99999999" } }] },
    forS: 0.5,
    says: /retry-after: 99999999, which can't be meant/,
  },
  {
    title: "a missing job's wait that can't be meant is shown as it is written",
    sources: ["pubg/api-documentation-content#61"],
    definition: {},
    answers: { [J]: [RUNNING, { status: 404, headers: { "retry-after": "99999999" } }] },
    forS: 1.5,
    says: /^HTTP 404 \(retry-after: 99999999, which can't be meant\) \(1 such/,
  },
  {
    title:
      "the wait of an answer that can't be used is shown as it is written when it can't be meant",
    sources: ["pubg/api-documentation-content#61"],
    definition: {},
    answers: { [J]: [{ status: 200, headers: { "retry-after": "99999999" }, body: "[]" }] },
    forS: 0.5,
    says: /no status where one is expected\. \(retry-after: 99999999, which can't be meant\)/,
  },
  {
    title: "a hint with a unit in the body of a running job is its wait",
    sources: ["vectorize-io/hindsight#3508"],
    definition: { poll_hints: [{ pointer: "/poll_after", unit: "s" }] },
    answers: { [J]: [{ body: { status: "running", poll_after: "4s" } }, DONE] },
    forS: 10,
    ends: { j: { type: "job.completed" } },
    waitsMs: [4000, 6000],
  },
  {
    title: "a hint in the body that can't be meant delays no poll",
    sources: ["vectorize-io/hindsight#3508"],
    definition: { poll_hints: [{ pointer: "/poll_after", unit: "s" }] },
    answers: { [J]: [{ body: { status: "running", poll_after: 99_999_999 } }, DONE] },
    forS: 5,
    ends: { j: { type: "job.completed" } },
    waitsMs: [1000, 2000],
  },
  {
    title: "an outage that asks for three years is asked again within a minute",
    sources: ["mvanhorn/cli-printing-press#542"],
    definition: {},
    answers: { [J]: [{ status: 503, headers: { "retry-after": "99999999" } }, DONE] },
    forS: 61,
    ends: { j: { type: "job.completed" } },
  },
  {
    title: "a missing job that asks for three years is asked again within a minute",
    sources: ["mvanhorn/cli-printing-press#542"],
    definition: {},
    answers: {
      [J]: [RUNNING, { status: 404, headers: { "retry-after": "99999999" } }, DONE],
    },
    forS: 61,
    ends: { j: { type: "job.completed" } },
  },
  {
    title: "a result that asks for three years is asked for again within a minute",
    sources: ["mvanhorn/cli-printing-press#542"],
    definition: { result: { kind: "request", request: { path: "/results/{job_id}" } } },
    answers: {
      [J]: [{ body: { status: "done" } }],
      "/results/j": [{ status: 503, headers: { "retry-after": "99999999" } }, { body: "7" }],
    },
    forS: 61,
    ends: { j: { type: "job.completed", result: "7" } },
  },
  {
    title:
      "a wait beyond the deadline ends at the deadline, with a last poll that finds the ending",
    sources: ["openclaw/clawhub#407"],
    definition: {},
    deadlineS: 600,
    answers: { [J]: [{ ...RUNNING, headers: { "retry-after": "3500" } }, DONE] },
    forS: 700,
    ends: { j: { type: "job.completed" } },
    requests: [J, J],
  },
];

export const WAITS = [...OF_LIMITS, ...OF_RUNNING_JOBS];
