import type { AnswerFixture, ProviderFixtures } from "./fixture.ts";

const URL = "https://api.example.com/jobs/1";
const NO_REASON = "The upstream reports that the job failed and gives no reason.";
const CANCELED = "The upstream reports that the job was canceled.";
const EXPIRED = "The upstream reports that the job has expired.";

/** The same answers with their word at each of the places where APIs have it. */
function answersAt(place: string, wrap: (word: string) => object): Record<string, AnswerFixture> {
  return {
    [`${place}: completed`]: { body: wrap("COMPLETED"), means: { completed: wrap("COMPLETED") } },
    [`${place}: failed`]: { body: wrap("Failed"), means: { failed: NO_REASON } },
    [`${place}: canceled`]: { body: wrap("cancelled"), means: { canceled: CANCELED } },
    [`${place}: expired`]: { body: wrap("expired"), means: { expired: EXPIRED } },
    [`${place}: succeeded in part`]: {
      body: wrap("PartiallySucceeded"),
      means: { completed: wrap("PartiallySucceeded") },
    },
    [`${place}: failed, in a word of its own`]: {
      body: wrap("ValidationFailed"),
      means: { failed: NO_REASON },
    },
    [`${place}: queued`]: { body: wrap("queued"), means: { running: "pending" } },
    [`${place}: queued, with 202`]: {
      status: 202,
      body: wrap("queued"),
      means: { running: "pending" },
    },
    [`${place}: a word that may mean anything, with 202`]: {
      status: 202,
      body: wrap("Crunching"),
      means: { running: "processing", unknown_status: "Crunching" },
    },
    [`${place}: a word that may mean anything`]: {
      body: wrap("Crunching"),
      means: { running: "processing", unknown_status: "Crunching" },
    },
  };
}

export const autoFixtures = {
  provider: "auto",
  connection: { base_url: "https://api.example.com", credential: "token" },
  job: { id: "1", params: { status_url: URL } },
  requests: { status: `GET ${URL}`, headers: { authorization: "Bearer token" } },
  answers: {
    ...answersAt("status", (status) => ({ id: "1", status })),
    ...answersAt("state", (state) => ({ id: "1", state })),
    ...answersAt("provisioningState", (provisioningState) => ({
      id: "1",
      properties: { provisioningState },
    })),
    "a Google operation: canceled": {
      body: { name: "operations/1", done: true, error: { code: 1, message: "Canceled." } },
      means: { canceled: "Canceled. (1)" },
    },
    "a Google operation: failed": {
      body: { name: "operations/1", done: true, error: { code: 3, message: "Bad audio." } },
      means: { failed: "Bad audio. (3)" },
    },
    "a Google operation: done": {
      body: { name: "operations/1", done: true, response: { a: 1 } },
      means: { completed: { name: "operations/1", done: true, response: { a: 1 } } },
    },
    "a Google operation: done, its error being OK": {
      body: { name: "operations/1", done: true, error: { code: 0, message: "OK" } },
      means: {
        completed: { name: "operations/1", done: true, error: { code: 0, message: "OK" } },
      },
    },
    "a Google operation: not done": {
      body: { name: "operations/1", done: false },
      means: { running: "processing" },
    },
    "a Google operation that does not say": {
      body: { name: "projects/p/operations/1", metadata: { progressPercent: 40 } },
      means: { running: "processing", progress: 40 },
    },
    "Location: not done": { status: 202, body: "", means: { running: "processing" } },
    "Location: done": { body: { rows: [1] }, means: { completed: { rows: [1] } } },
    "an empty answer of an API that says by a word how its jobs go": {
      body: {},
      remembered: "word",
      means: { running: "processing" },
    },
    "the same without a body": {
      status: 204,
      body: "",
      remembered: "word",
      means: { running: "processing" },
    },
    "an error that comes without a word": {
      body: { error: "The queue is restarting." },
      means: { retry: "upstream_fault", says: "HTTP 200: The queue is restarting." },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "1" },
      body: "",
      means: { retry: "rate_limited", says: "HTTP 429", wait_s: 1 },
    },
    "a wrong key": { status: 401, body: "", means: { credential_rejected: "HTTP 401" } },
    "an unknown job": {
      status: 404,
      body: "",
      isFirst: true,
      means: { retry: "not_visible_yet", says: "HTTP 404" },
    },
  },
} satisfies ProviderFixtures;
