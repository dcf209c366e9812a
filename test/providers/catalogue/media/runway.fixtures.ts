import type { ProviderFixtures } from "../fixture.ts";

const CREATED = "2026-01-01T00:00:00.000Z";

function task(status: string, more: object = {}) {
  return { id: "17f20503-6c24", status, createdAt: CREATED, ...more };
}

export const runwayFixtures = {
  provider: "runway",
  job: { id: "17f20503-6c24" },
  requests: {
    status: "GET https://api.dev.runwayml.com/v1/tasks/17f20503-6c24",
    cancel: "DELETE https://api.dev.runwayml.com/v1/tasks/17f20503-6c24",
    headers: { authorization: "Bearer key", "x-runway-version": "2024-11-06" },
  },
  answers: {
    PENDING: { body: task("PENDING"), means: { running: "pending" }, times: [CREATED, null] },
    THROTTLED: { body: task("THROTTLED"), means: { running: "pending" } },
    RUNNING: {
      body: task("RUNNING", { progress: 0.42 }),
      means: { running: "processing", progress: 0.42 },
    },
    SUCCEEDED: {
      body: task("SUCCEEDED", { output: ["https://dnznrvs05pmza.cloudfront.net/1.mp4?_jwt=a"] }),
      means: { completed: ["https://dnznrvs05pmza.cloudfront.net/1.mp4?_jwt=a"] },
    },
    FAILED: {
      body: task("FAILED", {
        failure: "The prompt was refused by our moderation.",
        failureCode: "SAFETY.INPUT.TEXT",
      }),
      means: { failed: "The prompt was refused by our moderation." },
    },
    CANCELLED: {
      body: task("CANCELLED"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a wrong key": {
      status: 401,
      body: { error: "The API key is invalid." },
      means: { credential_rejected: "HTTP 401: The API key is invalid." },
    },
    "a task that is unknown or was deleted": {
      status: 404,
      body: { error: "Task not found" },
      means: { expired: "The upstream no longer knows the job. HTTP 404: Task not found" },
    },
    "too many requests": {
      status: 429,
      body: { error: "You are making too many requests" },
      means: { retry: "rate_limited", says: "HTTP 429: You are making too many requests" },
    },
  },
} satisfies ProviderFixtures;
