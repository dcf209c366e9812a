import type { ProviderFixtures } from "../fixture.ts";

const DONE = {
  JobStatus: "SUCCEEDED",
  DocumentMetadata: { Pages: 1 },
  Blocks: [{ BlockType: "LINE", Id: "b1", Text: "Invoice", Confidence: 99.9, Page: 1 }],
  AnalyzeDocumentModelVersion: "1.0",
};
const PARTIAL = {
  ...DONE,
  JobStatus: "PARTIAL_SUCCESS",
  Warnings: [{ ErrorCode: "DOCUMENT_TOO_LARGE", Pages: [2] }],
};

export const awsTextractFixtures = {
  provider: "aws-textract",
  connection: {
    base_url: "https://textract.eu-west-1.amazonaws.com",
    credential: "AKIDEXAMPLEKEYID:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  },
  job: { id: "270c1cc5", params: { operation: "DocumentTextDetection" } },
  requests: {
    status: "POST https://textract.eu-west-1.amazonaws.com/",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "Textract.GetDocumentTextDetection",
    },
    body: { JobId: "270c1cc5" },
  },
  answers: {
    IN_PROGRESS: { body: { JobStatus: "IN_PROGRESS" }, means: { running: "processing" } },
    SUCCEEDED: { body: DONE, means: { completed: DONE } },
    PARTIAL_SUCCESS: { body: PARTIAL, means: { completed: PARTIAL } },
    FAILED: {
      body: { JobStatus: "FAILED", StatusMessage: "UNSUPPORTED_DOCUMENT" },
      means: { failed: "UNSUPPORTED_DOCUMENT" },
    },
    "a token that ran out": {
      status: 400,
      body: {
        __type: "ExpiredTokenException",
        message: "The security token included in the request is expired",
      },
      means: {
        credential_rejected: "HTTP 400: The security token included in the request is expired",
      },
    },
    "an unknown access key": {
      status: 400,
      body: {
        __type: "com.amazon.coral.service#UnrecognizedClientException",
        message: "The security token included in the request is invalid.",
      },
      means: {
        credential_rejected: "HTTP 400: The security token included in the request is invalid.",
      },
    },
    "an unknown or old job": {
      status: 400,
      body: { __type: "InvalidJobIdException", Message: "Request has invalid Job Id" },
      means: {
        expired: "The upstream no longer knows the job. HTTP 400: Request has invalid Job Id",
      },
    },
    "too many requests": {
      status: 400,
      body: { __type: "ProvisionedThroughputExceededException", Message: "Rate exceeded" },
      means: { retry: "rate_limited", says: "HTTP 400: Rate exceeded" },
    },
    "an outage": {
      status: 500,
      body: { __type: "InternalServerError" },
      means: { retry: "upstream_fault", says: "HTTP 500: InternalServerError" },
    },
  },
} satisfies ProviderFixtures;
