import type { ProviderDefinitionSource } from "../../definition/definition.ts";

const DONE = { pointer: "/done", eq: true };

/** Any long-running operation of a Google API that follows AIP-151. */
export const googleOperation = {
  name: "google-operation",
  title: "Google long-running operations",
  documentation_url: "https://google.aip.dev/151",
  notes:
    "The job id is the operation's name, slashes included, such as projects/p/locations/l/operations/1. " +
    "The connection's base_url is that of the service, such as https://speech.googleapis.com. The " +
    "credential is an OAuth access token, good for an hour: replace it by PATCHing the connection " +
    "before it runs out; jobs wait while it is expired. The result is response. ‡ How long operations are kept, " +
    "and where their progress is, differs between services.",
  allowed_hosts: ["*.googleapis.com"],
  auth: { kind: "bearer" },
  params: {
    version: { description: "The version of the API, as in its URLs.", default: "v1" },
  },
  status: { path: "/{params.version}/{+job_id}" },
  submit: [
    {
      method: ["POST", "PUT", "PATCH", "DELETE"],
      path: "/{version}/{+resource}",
      when: {
        http_status: 200,
        all: [{ pointer: "/name", contains: "operations/" }],
      },
      job_id: { pointer: "/name" },
      params: { version: { path: "version" } },
    },
  ],
  cancel: { method: "POST", path: "/{params.version}/{+job_id}:cancel" },
  rules: [
    {
      note: "google.rpc.Code 1 is CANCELLED.",
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
    {
      note: "done is left out while it is false.",
      http_status: 200,
      all: [{ pointer: "/name", exists: true }],
      observe: "running",
    },
  ],
  extract: {
    progress: ["/metadata/progressPercent", "/metadata/progressPercentage", "/metadata/progress"],
    error: ["/error"],
    created_at: [
      "/metadata/createTime",
      "/metadata/genericMetadata/createTime",
      "/metadata/startTime",
    ],
    updated_at: [
      "/metadata/updateTime",
      "/metadata/genericMetadata/updateTime",
      "/metadata/lastUpdateTime",
      "/metadata/endTime",
    ],
  },
  result: { kind: "inline", at: ["/response"] },
  schedule: { kind: "exponential", initial_s: 2, factor: 1.5, cap_s: 30 },
  limits: { concurrency: 16, requests_per_second: 10, burst: 10 },
  deadline_s: 7 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
