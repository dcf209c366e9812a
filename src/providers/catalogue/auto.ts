import type { ProviderDefinitionSource } from "../definition/definition.ts";
import { CANCELED_OR_ABORTED, COMPLETED, FAILED } from "./ending-words.ts";

const SUCCESS = { gte: 200, lte: 299 };
const DONE = { pointer: "/done", eq: true };
/** Where APIs have their status word. */
const PLACES = ["/status", "/state", "/properties/provisioningState"];
const PENDING = ["queued", "pending", "accepted", "created", "notStarted", "scheduled", "starting"];

function rulesAt(pointer: string): ProviderDefinitionSource["rules"] {
  const word = { pointer, ignore_case: true } as const;
  return [
    { http_status: SUCCESS, all: [{ ...word, ...COMPLETED }], observe: "completed" },
    { http_status: SUCCESS, all: [{ ...word, ...FAILED }], observe: "failed" },
    { http_status: SUCCESS, all: [{ ...word, ...CANCELED_OR_ABORTED }], observe: "canceled" },
    { http_status: SUCCESS, all: [{ ...word, eq: "expired" }], observe: "expired" },
    {
      note: "Words of which these are a part, as the clients of Azure have it.",
      http_status: SUCCESS,
      all: [{ ...word, contains: "succeeded" }],
      observe: "completed",
    },
    { http_status: SUCCESS, all: [{ ...word, contains: "fail" }], observe: "failed" },
    {
      http_status: 200,
      all: [{ ...word, in: PENDING }],
      observe: "running",
      phase: "pending",
      remember: "word",
    },
    { http_status: 200, all: [{ ...word, exists: true }], observe: "running", remember: "word" },
    { http_status: SUCCESS, all: [{ ...word, in: PENDING }], observe: "running", phase: "pending" },
    { http_status: SUCCESS, all: [{ ...word, exists: true }], observe: "running" },
  ];
}

/**
 * An API without a definition. Its responses are interpreted by what such APIs have in common;
 * submission/recognize.ts decides which of them are about a new job.
 */
export const auto = {
  name: "auto",
  title: "Any API of jobs",
  notes:
    "For APIs that no definition describes. A job is recognized by Operation-Location, " +
    "Azure-AsyncOperation, 202 with Location, a Google operation, urls.get, status_url, or an id " +
    "beside a status that means running; it is asked for at that URL, or at /{id} below the address " +
    "that it was posted to. The connection's base_url is that of the API. The credential is sent as " +
    "Authorization: Bearer; for any other way, and for better readings, copy this definition and " +
    "change it. The result is the whole last answer.",
  auth: { kind: "bearer" },
  params: { status_url: { description: "Where to ask how the job goes." } },
  submit: "recognize",
  status: { url_param: "status_url", next_url: { header: "location" } },
  rules: [
    {
      note: "A Google operation; code 1 is CANCELLED.",
      http_status: 200,
      all: [DONE, { pointer: "/error/code", eq: 1 }],
      observe: "canceled",
    },
    {
      note: "google.rpc.Code 0 is OK, whatever the message says.",
      http_status: 200,
      all: [DONE, { pointer: "/error/code", in: [0, "0"] }],
      observe: "completed",
    },
    { http_status: 200, all: [DONE, { pointer: "/error", empty: false }], observe: "failed" },
    { http_status: 200, all: [DONE], observe: "completed" },
    { http_status: 200, all: [{ pointer: "/done", eq: false }], observe: "running" },
    ...PLACES.flatMap(rulesAt),
    {
      note: "A Google operation that leaves done out while it is false.",
      http_status: 200,
      all: [{ pointer: "/name", contains: "operations/" }],
      observe: "running",
    },
    { note: "Location: not done.", http_status: 202, observe: "running" },
    {
      note: "An API that says by a word how its jobs go: an empty answer is no ending.",
      http_status: SUCCESS,
      remembered: "word",
      all: [
        { pointer: "", exists: true },
        { pointer: "", empty: true },
      ],
      observe: "running",
    },
    { http_status: 204, remembered: "word", observe: "running" },
    {
      note: "Neither is an error that comes without a word.",
      http_status: SUCCESS,
      all: [{ pointer: "/error", empty: false }],
      observe: "retry",
    },
    { note: "Location: done, perhaps without a word.", http_status: SUCCESS, observe: "completed" },
  ],
  extract: {
    status: PLACES,
    progress: ["/progress", "/percentComplete", "/metadata/progressPercent"],
    error: ["/error", "/errors", "/message", "/detail"],
    created_at: ["/created_at", "/createdAt", "/createdDateTime", "/metadata/createTime"],
    updated_at: ["/updated_at", "/updatedAt", "/lastUpdatedDateTime", "/metadata/updateTime"],
  },
  schedule: { kind: "exponential", initial_s: 1, factor: 1.5, cap_s: 15 },
  limits: { concurrency: 16, requests_per_second: 10, burst: 10 },
  deadline_s: 2 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
