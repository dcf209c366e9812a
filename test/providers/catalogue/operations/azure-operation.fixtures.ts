import type { ProviderFixtures } from "../fixture.ts";

const HOST = "https://management.azure.com";
const URL = `${HOST}/subscriptions/s/providers/Microsoft.Compute/locations/westus/operations/op1?api-version=2024-03-01`;
const NEXT = `${HOST}/subscriptions/s/operationresults/op1?api-version=2024-03-01&t=2`;
const STARTED = "2026-01-01T20:56:36.002812+00:00";
const ENDED = "2026-01-01T20:56:56.002812+00:00";

function operation(status: string, more: object = {}) {
  return { name: "op1", status, startTime: STARTED, ...more };
}

function resource(provisioningState: string) {
  return { id: "/subscriptions/s/vm", name: "vm", properties: { provisioningState } };
}

const DONE = operation("Succeeded", { endTime: ENDED, properties: { output: { ok: true } } });
const RESOURCE = { id: "/subscriptions/s/account", name: "account", sku: { name: "S0" } };

const RESERVED = { searchId: "s1", status: "Reserved", phoneNumbers: ["+100"] };

export const azureOperationFixtures = {
  provider: "azure-operation",
  connection: { base_url: HOST, credential: "token" },
  job: { id: "op1", params: { operation_url: URL } },
  requests: { status: `GET ${URL}`, headers: { authorization: "Bearer token" } },
  answers: {
    "Azure-AsyncOperation: accepted": {
      headers: { "retry-after": "15" },
      body: operation("Accepted"),
      means: { running: "pending", wait_s: 15 },
    },
    "Azure-AsyncOperation: in a word of the service's own": {
      body: operation("ResolvingDependencies", { percentComplete: 40 }),
      means: {
        running: "processing",
        progress: { percent: 40 },
        unknown_status: "ResolvingDependencies",
      },
      times: [STARTED, null],
    },
    "Azure-AsyncOperation: in progress": {
      body: operation("InProgress"),
      means: { running: "processing" },
    },
    "Azure-AsyncOperation: succeeded in a word of the service's own": {
      body: operation("PartiallySucceeded"),
      means: { completed: operation("PartiallySucceeded") },
    },
    "Azure-AsyncOperation: failed in a word of the service's own": {
      body: operation("ValidationFailed"),
      means: { failed: "The upstream reports that the job failed and gives no reason." },
    },
    "Azure-AsyncOperation: timed out": {
      body: operation("TimedOut"),
      means: { failed: "The upstream reports that the job failed and gives no reason." },
    },
    "Azure-AsyncOperation: succeeded": {
      body: DONE,
      means: { completed: DONE },
      times: [STARTED, ENDED],
    },
    "Operation-Location: succeeded, with a resource": {
      body: operation("Succeeded", { resourceLocation: `${HOST}/projects/p1?api-version=1` }),
      means: { asks: `GET ${HOST}/projects/p1?api-version=1` },
    },
    "Azure-AsyncOperation: failed": {
      body: operation("Failed", {
        error: { code: "BadArgument", message: "The provided database 'foo' is invalid." },
      }),
      means: { failed: "The provided database 'foo' is invalid. (BadArgument)" },
    },
    "Azure-AsyncOperation: canceled": {
      body: operation("Canceled"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "Location: not done, and asked elsewhere next": {
      status: 202,
      headers: { location: NEXT, "retry-after": "20" },
      body: "",
      means: { running: "processing", wait_s: 20, next_url: NEXT },
    },
    "Location: done, with a resource that has a status of its own": {
      body: RESERVED,
      remembered: "location",
      means: { completed: RESERVED },
    },
    "an operation after all, in a word of the service's own": {
      body: operation("ResolvingDependencies"),
      remembered: "location",
      means: { running: "processing", unknown_status: "ResolvingDependencies" },
    },
    "a resource with a status of its own, which may as well be an operation": {
      body: RESERVED,
      means: { running: "processing", unknown_status: "Reserved" },
    },
    "Location: done, with the resource": { body: RESOURCE, means: { completed: RESOURCE } },
    "Location: done, without a word": { status: 204, body: "", means: { completed: null } },
    "Location: failed": {
      status: 409,
      body: { error: { code: "SkuNotAvailable", message: "The SKU is not available in westus." } },
      means: { failed: "The SKU is not available in westus. (SkuNotAvailable)" },
    },
    "Location: failed, in the form of an older service": {
      status: 409,
      body: { code: "SkuNotAvailable", message: "The SKU is not available in westus." },
      means: { failed: "The SKU is not available in westus." },
    },
    "a proxy's error": {
      status: 400,
      headers: { "content-type": "text/html" },
      body: "<html>Bad Request</html>",
      means: { retry: "unusable_answer", says: "HTTP 400 (text/html)" },
    },
    "resource: being made": { body: resource("Creating"), means: { running: "processing" } },
    "resource: made": { body: resource("Succeeded"), means: { completed: resource("Succeeded") } },
    "resource: made in part": {
      body: resource("PartiallySucceeded"),
      means: { completed: resource("PartiallySucceeded") },
    },
    "resource: not made, in a word of the service's own": {
      body: resource("CreateFailed"),
      means: { failed: "The upstream reports that the job failed and gives no reason." },
    },
    "resource: not made": {
      body: resource("Failed"),
      means: { failed: "The upstream reports that the job failed and gives no reason." },
    },
    "resource: given up": {
      body: resource("Canceled"),
      means: { canceled: "The upstream reports that the job was canceled." },
    },
    "a token that ran out": {
      status: 401,
      body: {
        error: { code: "ExpiredAuthenticationToken", message: "The access token expiry is past." },
      },
      means: {
        credential_rejected:
          "HTTP 401: The access token expiry is past. (ExpiredAuthenticationToken)",
      },
    },
    "an unknown operation": {
      status: 404,
      body: { error: { code: "NotFound", message: "The operation was not found." } },
      means: {
        expired:
          "The upstream no longer knows the job. HTTP 404: The operation was not found. (NotFound)",
      },
    },
    "too many requests": {
      status: 429,
      headers: { "retry-after": "17" },
      body: { error: { code: "TooManyRequests", message: "The request was throttled." } },
      means: {
        retry: "rate_limited",
        says: "HTTP 429: The request was throttled. (TooManyRequests)",
        wait_s: 17,
      },
    },
  },
  results: {
    "the resource": {
      body: { id: "p1", kind: "project" },
      means: { completed: { id: "p1", kind: "project" } },
    },
  },
} satisfies ProviderFixtures;
