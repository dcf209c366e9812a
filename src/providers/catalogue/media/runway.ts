import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED, COMPLETED, FAILED } from "../ending-words.ts";

const STATUS = { pointer: "/status" };

/** The requests that begin a task; others, such as for an avatar, answer with an id too. */
const KINDS = [
  "image_to_video",
  "text_to_video",
  "video_to_video",
  "video_to_hdr",
  "avatar_videos",
  "text_to_image",
  "image_upscale",
  "video_upscale",
  "character_performance",
  "text_to_speech",
  "speech_to_speech",
  "sound_effect",
  "voice_dubbing",
  "voice_isolation",
];

/** A task of Runway: a video, an image or a sound that is being made. */
export const runway = {
  name: "runway",
  title: "Runway tasks",
  documentation_url: "https://docs.dev.runwayml.com/api/",
  notes:
    "The result is output, a list of links that are good for a day or two. Canceling a task that has " +
    "ended deletes it.",
  base_url: "https://api.dev.runwayml.com",
  auth: { kind: "bearer" },
  headers: { "x-runway-version": "2024-11-06" },
  status: { path: "/v1/tasks/{job_id}" },
  submit: [...KINDS, "generate/{kind}", "recipes/{recipe}"].map((kind) => ({
    path: `/v1/${kind}`,
    job_id: { pointer: "/id" },
  })),
  cancel: { method: "DELETE", path: "/v1/tasks/{job_id}" },
  rules: [
    {
      note: "THROTTLED: waits for others of the organization.",
      http_status: 200,
      all: [{ ...STATUS, in: ["PENDING", "THROTTLED"] }],
      observe: "running",
      phase: "pending",
    },
    { http_status: 200, all: [{ ...STATUS, eq: "RUNNING" }], observe: "running" },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED }], observe: "canceled" },
  ],
  extract: {
    status: ["/status"],
    progress: ["/progress"],
    error: ["/failure", "/failureCode", "/error"],
    created_at: ["/createdAt"],
  },
  result: { kind: "inline", at: ["/output"] },
  // A task changes no more often.
  min_interval_s: 5,
  schedule: { kind: "exponential", initial_s: 5, factor: 1.3, cap_s: 15 },
  limits: { concurrency: 16, requests_per_second: 10, burst: 10 },
  deadline_s: 24 * 3600,
} as const satisfies ProviderDefinitionSource;
