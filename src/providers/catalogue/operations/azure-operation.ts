import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED_OR_ABORTED, COMPLETED, FAILED } from "../ending-words.ts";

const SUCCESS = { gte: 200, lte: 299 };
const STATUS = { pointer: "/status", ignore_case: true };
const STATE = { pointer: "/properties/provisioningState", ignore_case: true };
// Words that the vendor's own client looks for in statuses of any service (@azure/core-lro), and
// related ones.
const SUCCEEDED_WORD = { contains: "succeeded" };
const FAILED_WORD = { contains: "fail" };
/** In the order in which the vendor's own client looks. */
const OPERATION = [
  { header: "operation-location" },
  { header: "azure-asyncoperation" },
  { header: "location" },
];
/** A resource has none of these, and an operation may. */
const NOT_OF_AN_OPERATION = [
  { pointer: "/startTime", exists: false },
  { pointer: "/percentComplete", exists: false },
  { pointer: "/error", empty: true },
];
/** Words of ARM and of the guidelines for running operations. */
const RUNNING = {
  in: [
    "running",
    "inprogress",
    "in_progress",
    "processing",
    "updating",
    "creating",
    "deleting",
    "provisioning",
    "accepted",
    "created",
    "pending",
    "queued",
    "notstarted",
    "canceling",
    "cancelling",
  ],
};

/**
 * Any long-running operation of Azure that follows its guidelines. There are three ways to report
 * its state: a monitor with a status (Operation-Location, Azure-AsyncOperation), 202 until it is
 * done (Location), and the resource itself with a provisioningState.
 */
export const azureOperation = {
  name: "azure-operation",
  title: "Azure long-running operations",
  documentation_url:
    "https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations",
  notes:
    "The param operation_url is the header Operation-Location, Azure-AsyncOperation or, without " +
    "those, Location of the first answer, or the resource's own URL. It must lead to the connection's " +
    "host, such as https://management.azure.com. The credential is a Microsoft Entra access token; " +
    "replace it by PATCHing the connection before it runs out, after about an hour. The result is the " +
    "resource at resourceLocation where the monitor names one, else its last answer. Where the answer " +
    "names another Location, that is asked next. Once an answer was 202 without a status, the URL is a " +
    "Location: a 200 with a status that is no word for an operation is then the resource, and the " +
    "operation is done.",
  auth: { kind: "bearer" },
  params: {
    operation_url: {
      description: "Operation-Location, Azure-AsyncOperation or Location of the first answer.",
    },
  },
  status: { url_param: "operation_url", next_url: { header: "location" } },
  submit: [
    { headers: [{ name: "operation-location", exists: true }] },
    { headers: [{ name: "azure-asyncoperation", exists: true }] },
    { http_status: 202, headers: [{ name: "location", exists: true }] },
  ].map((when) => ({
    method: ["POST" as const, "PUT" as const, "PATCH" as const, "DELETE" as const],
    path: "/{+resource}",
    when,
    job_id: OPERATION.map((source) => ({ ...source, last_segment: true })),
    params: { operation_url: OPERATION },
  })),
  rules: [
    { http_status: SUCCESS, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: SUCCESS, all: [{ ...STATUS, ...SUCCEEDED_WORD }], observe: "completed" },
    { http_status: SUCCESS, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: SUCCESS, all: [{ ...STATUS, ...FAILED_WORD }], observe: "failed" },
    { http_status: SUCCESS, all: [{ ...STATUS, ...CANCELED_OR_ABORTED }], observe: "canceled" },
    {
      http_status: SUCCESS,
      all: [{ ...STATUS, in: ["notStarted", "accepted", "created", "pending", "queued"] }],
      observe: "running",
      phase: "pending",
    },
    { http_status: SUCCESS, all: [{ ...STATUS, ...RUNNING }], observe: "running" },
    {
      note: "Location: done, with a resource that has a status of its own, as the vendor's client has it.",
      http_status: [200, 201],
      remembered: "location",
      all: [{ ...STATUS, exists: true }, ...NOT_OF_AN_OPERATION],
      observe: "completed",
    },
    {
      note: "Every service may have words of its own for what it does.",
      http_status: SUCCESS,
      all: [{ ...STATUS, exists: true }],
      observe: "running",
    },
    { note: "Location: not done.", http_status: 202, observe: "running", remember: "location" },
    { http_status: SUCCESS, all: [{ ...STATE, ...COMPLETED }], observe: "completed" },
    { http_status: SUCCESS, all: [{ ...STATE, ...SUCCEEDED_WORD }], observe: "completed" },
    { http_status: SUCCESS, all: [{ ...STATE, ...FAILED }], observe: "failed" },
    { http_status: SUCCESS, all: [{ ...STATE, ...FAILED_WORD }], observe: "failed" },
    { http_status: SUCCESS, all: [{ ...STATE, ...CANCELED_OR_ABORTED }], observe: "canceled" },
    { http_status: SUCCESS, all: [{ ...STATE, exists: true }], observe: "running" },
    { note: "Location: done, perhaps without a word.", http_status: SUCCESS, observe: "completed" },
    ...["/error", "/code"].map((pointer) => ({
      note: "Location: the operation's own error; without one it is that of a proxy on the way.",
      http_status: [400, 409, 412, 422],
      all: [{ pointer, empty: false }],
      observe: "failed" as const,
    })),
  ],
  extract: {
    status: ["/status"],
    progress: { percent: "/percentComplete" },
    error: ["/error", "/properties/error", "/message"],
    created_at: ["/startTime", "/createdDateTime"],
    updated_at: ["/endTime", "/lastUpdatedDateTime"],
  },
  result: { kind: "request", request: { url_at: ["/resourceLocation"] } },
  min_interval_s: 1,
  schedule: { kind: "exponential", initial_s: 5, factor: 1.5, cap_s: 30 },
  limits: { concurrency: 16, requests_per_second: 5, burst: 10 },
  deadline_s: 7 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
