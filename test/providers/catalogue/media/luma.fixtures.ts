import type { ProviderFixtures } from "../fixture.ts";

const CREATED = "2026-01-01T00:00:00Z";

function generation(state: string, more: object = {}) {
  return {
    id: "d1968551",
    generation_type: "video",
    state,
    failure_reason: null,
    created_at: CREATED,
    assets: null,
    model: "ray-2",
    ...more,
  };
}

export const lumaFixtures = {
  provider: "luma",
  job: { id: "d1968551" },
  requests: {
    status: "GET https://api.lumalabs.ai/dream-machine/v1/generations/d1968551",
    headers: { authorization: "Bearer key" },
  },
  answers: {
    queued: { body: generation("queued"), means: { running: "pending" }, times: [CREATED, null] },
    dreaming: { body: generation("dreaming"), means: { running: "processing" } },
    completed: {
      body: generation("completed", { assets: { video: "https://storage.cdn-luma.com/v.mp4" } }),
      means: { completed: { video: "https://storage.cdn-luma.com/v.mp4" } },
    },
    failed: {
      body: generation("failed", { failure_reason: "The frames could not be generated" }),
      means: { failed: "The frames could not be generated" },
    },
    "a wrong key": {
      status: 403,
      body: { detail: "Not authenticated" },
      means: { credential_rejected: "HTTP 403: Not authenticated" },
    },
    "an unknown generation": {
      status: 404,
      body: { detail: "Generation not found" },
      means: { expired: "The upstream no longer knows the job. HTTP 404: Generation not found" },
    },
    "too many requests": {
      status: 429,
      body: { detail: "Too many requests" },
      means: { retry: "rate_limited", says: "HTTP 429: Too many requests" },
    },
  },
} satisfies ProviderFixtures;
