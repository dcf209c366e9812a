import type { ProviderFixtures } from "../fixture.ts";

const NAME = "projects/p/locations/global/operations/123";
const CREATED = "2026-01-01T00:00:00Z";
const UPDATED = "2026-01-01T00:01:00Z";

function operation(more: object) {
  return {
    name: NAME,
    metadata: {
      "@type": "type.googleapis.com/google.cloud.speech.v1.LongRunningRecognizeMetadata",
      progressPercent: 34,
      startTime: CREATED,
      lastUpdateTime: UPDATED,
    },
    ...more,
  };
}

const RESPONSE = {
  "@type": "type.googleapis.com/google.cloud.speech.v1.LongRunningRecognizeResponse",
  results: [{ alternatives: [{ transcript: "hello", confidence: 0.98 }] }],
};

export const googleOperationFixtures = {
  provider: "google-operation",
  connection: { base_url: "https://speech.googleapis.com", credential: "ya29.token" },
  job: { id: NAME },
  requests: {
    status: `GET https://speech.googleapis.com/v1/${NAME}`,
    cancel: `POST https://speech.googleapis.com/v1/${NAME}:cancel`,
    headers: { authorization: "Bearer ya29.token" },
  },
  answers: {
    "not done, and so without the word": {
      body: operation({}),
      means: { running: "processing", progress: 34 },
      times: [CREATED, UPDATED],
    },
    "not done": {
      body: operation({ done: false }),
      means: { running: "processing", progress: 34 },
    },
    "done, with a response": {
      body: operation({ done: true, response: RESPONSE }),
      means: { completed: RESPONSE },
    },
    "done, with an error": {
      body: operation({ done: true, error: { code: 3, message: "Invalid audio encoding." } }),
      means: { failed: "Invalid audio encoding. (3)" },
    },
    "done, with a response and an error that says nothing": {
      body: operation({ done: true, error: {}, response: RESPONSE }),
      means: { completed: RESPONSE },
    },
    "done, with a response and the code OK": {
      body: operation({ done: true, error: { code: 0, message: "" }, response: RESPONSE }),
      means: { completed: RESPONSE },
    },
    canceled: {
      body: operation({ done: true, error: { code: 1, message: "The operation was cancelled." } }),
      means: { canceled: "The operation was cancelled. (1)" },
    },
    "a token that ran out": {
      status: 401,
      body: {
        error: {
          code: 401,
          message: "Request had invalid credentials.",
          status: "UNAUTHENTICATED",
        },
      },
      means: { credential_rejected: "HTTP 401: Request had invalid credentials. (401)" },
    },
    "an unknown operation": {
      status: 404,
      body: { error: { code: 404, message: "Operation not found.", status: "NOT_FOUND" } },
      means: {
        expired: "The upstream no longer knows the job. HTTP 404: Operation not found. (404)",
      },
    },
    "too many requests": {
      status: 429,
      body: {
        error: { code: 429, message: "Quota exceeded.", status: "RESOURCE_EXHAUSTED" },
      },
      means: { retry: "rate_limited", says: "HTTP 429: Quota exceeded. (429)" },
    },
    "an outage": {
      status: 503,
      body: { error: { code: 503, message: "The service is unavailable.", status: "UNAVAILABLE" } },
      means: { retry: "upstream_fault", says: "HTTP 503: The service is unavailable. (503)" },
    },
  },
} satisfies ProviderFixtures;
