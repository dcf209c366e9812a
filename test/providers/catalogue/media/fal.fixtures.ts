import type { ProviderFixtures } from "../fixture.ts";

const REQUEST = "https://queue.fal.run/fal-ai/flux/requests/80e732af";

function queue(status: string, more: object = {}) {
  return {
    status,
    request_id: "80e732af",
    response_url: REQUEST,
    status_url: `${REQUEST}/status`,
    cancel_url: `${REQUEST}/cancel`,
    ...more,
  };
}

export const falFixtures = {
  provider: "fal",
  connection: { credential: "id:secret" },
  job: {
    id: "80e732af",
    params: { status_url: `${REQUEST}/status?logs=0`, cancel_url: `${REQUEST}/cancel` },
  },
  requests: {
    status: `GET ${REQUEST}/status?logs=0`,
    cancel: `PUT ${REQUEST}/cancel`,
    headers: { authorization: "Key id:secret" },
  },
  answers: {
    IN_QUEUE: {
      status: 202,
      body: queue("IN_QUEUE", { queue_position: 3 }),
      means: { running: "pending", progress: { queue_position: 3 } },
    },
    IN_PROGRESS: {
      status: 202,
      body: queue("IN_PROGRESS", { logs: [] }),
      means: { running: "processing" },
    },
    COMPLETED: {
      body: queue("COMPLETED", { logs: [], metrics: { inference_time: 3.7 } }),
      means: { asks: `GET ${REQUEST}` },
    },
    "COMPLETED with an error": {
      body: queue("COMPLETED", { error: "Runner disconnected", error_type: "runner_disconnected" }),
      means: { failed: "Runner disconnected" },
    },
    "COMPLETED with an error that says nothing": {
      body: queue("COMPLETED", { error: "", logs: null }),
      means: { asks: `GET ${REQUEST}` },
    },
    "a wrong key": {
      status: 401,
      body: { detail: "Cannot access application" },
      means: { credential_rejected: "HTTP 401: Cannot access application" },
    },
    "an unknown request": {
      status: 404,
      body: { detail: "Request not found" },
      isFirst: true,
      means: { retry: "not_visible_yet", says: "HTTP 404: Request not found" },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "1" },
      body: { detail: "Too many requests" },
      means: { retry: "rate_limited", says: "HTTP 429: Too many requests", wait_s: 1 },
    },
  },
  results: {
    "what the model made": {
      body: { images: [{ url: "https://v3.fal.media/files/a.png", width: 1024 }], seed: 42 },
      means: {
        completed: { images: [{ url: "https://v3.fal.media/files/a.png", width: 1024 }], seed: 42 },
      },
    },
    "input that the model refused": {
      status: 422,
      body: { detail: [{ loc: ["body", "prompt"], msg: "field required", type: "value_error" }] },
      means: { failed: "field required" },
    },
    "a model that threw": {
      status: 500,
      body: { detail: "Internal server error" },
      means: { failed: "Internal server error" },
    },
    "an outage of the queue": {
      status: 500,
      body: "<html>",
      means: {
        retry: "upstream_fault",
        says: "The job has completed, but its result could not be fetched: HTTP 500",
      },
    },
    "a start that came too late": {
      status: 504,
      headers: { "x-fal-request-timeout-type": "user" },
      body: { detail: "Request timed out" },
      means: { failed: "Request timed out" },
    },
  },
} satisfies ProviderFixtures;
