import type { ProviderFixtures } from "../fixture.ts";

function transcript(status: string, more: object = {}) {
  return {
    id: "9ea68fd3-f953-42c1-9742-976c447fb463",
    audio_url: "https://assembly.ai/wildfires.mp3",
    status,
    text: null,
    words: null,
    ...more,
  };
}

const DONE = transcript("completed", {
  text: "Smoke from hundreds of wildfires",
  words: [{ text: "Smoke", start: 250, end: 650, confidence: 0.97503 }],
});

export const assemblyaiFixtures = {
  provider: "assemblyai",
  job: { id: "9ea68fd3-f953-42c1-9742-976c447fb463" },
  requests: {
    status: "GET https://api.assemblyai.com/v2/transcript/9ea68fd3-f953-42c1-9742-976c447fb463",
    headers: { authorization: "key" },
  },
  answers: {
    queued: { body: transcript("queued"), means: { running: "pending" } },
    processing: { body: transcript("processing"), means: { running: "processing" } },
    completed: { body: DONE, means: { completed: DONE } },
    error: {
      body: transcript("error", { error: "Download error, unable to download the file" }),
      means: { failed: "Download error, unable to download the file" },
    },
    "a wrong key": {
      status: 401,
      body: { error: "Authentication error, API token missing/invalid" },
      means: {
        credential_rejected: "HTTP 401: Authentication error, API token missing/invalid",
      },
    },
    "an unknown transcript": {
      status: 400,
      body: { error: "Transcript lookup error, transcript id not found" },
      isFirst: true,
      means: {
        retry: "not_visible_yet",
        says: "HTTP 400: Transcript lookup error, transcript id not found",
      },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "60" },
      body: { error: "Too many requests" },
      means: { retry: "rate_limited", says: "HTTP 429: Too many requests", wait_s: 60 },
    },
  },
} satisfies ProviderFixtures;
