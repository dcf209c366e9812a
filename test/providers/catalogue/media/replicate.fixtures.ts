import type { ProviderFixtures } from "../fixture.ts";

function prediction(status: string, more: object = {}) {
  return {
    id: "gm3qorzdhgbfurvjtvhg6dckhu",
    model: "replicate/hello-world",
    version: "5c7d5dc6dd8b",
    input: { text: "Alice" },
    logs: "",
    output: null,
    data_removed: false,
    error: null,
    status,
    created_at: "2023-09-08T16:19:34.765994Z",
    urls: { get: "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu" },
    ...more,
  };
}

export const replicateFixtures = {
  provider: "replicate",
  job: { id: "gm3qorzdhgbfurvjtvhg6dckhu" },
  requests: {
    status: "GET https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu",
    cancel: "POST https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu/cancel",
    headers: { authorization: "Bearer key" },
  },
  answers: {
    starting: { body: prediction("starting"), means: { running: "pending" } },
    processing: {
      body: prediction("processing", { started_at: "2023-09-08T16:19:34.779176Z" }),
      means: { running: "processing" },
      times: ["2023-09-08T16:19:34.765994Z", "2023-09-08T16:19:34.779176Z"],
    },
    succeeded: {
      body: prediction("succeeded", { output: ["https://replicate.delivery/out-0.png"] }),
      means: { completed: ["https://replicate.delivery/out-0.png"] },
    },
    "succeeded more than an hour ago": {
      body: prediction("succeeded", { data_removed: true }),
      means: { expired: "The upstream reports that the job has expired." },
    },
    failed: {
      body: prediction("failed", { error: "CUDA out of memory" }),
      means: { failed: "CUDA out of memory" },
    },
    canceled: {
      body: prediction("canceled"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "aborted before it began": {
      body: prediction("aborted"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a wrong token": {
      status: 401,
      body: {
        title: "Unauthenticated",
        detail: "You did not pass a valid authentication token",
        status: 401,
      },
      means: {
        credential_rejected: "HTTP 401: You did not pass a valid authentication token",
      },
    },
    "an unknown prediction": {
      status: 404,
      body: {
        title: "Not found",
        detail: "The requested resource could not be found.",
        status: 404,
      },
      isFirst: true,
      means: {
        retry: "not_visible_yet",
        says: "HTTP 404: The requested resource could not be found.",
      },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "30" },
      body: { detail: "Request was throttled. Your rate limit resets in ~30s.", status: 429 },
      means: {
        retry: "rate_limited",
        says: "HTTP 429: Request was throttled. Your rate limit resets in ~30s.",
        wait_s: 30,
      },
    },
  },
} satisfies ProviderFixtures;
