import type { ProviderFixtures } from "../fixture.ts";

const LINK =
  "https://s3.us-east-1.amazonaws.com/aws-transcribe-us-east-1-prod/123/call-1/asrOutput.json?X-Amz-Signature=a";

function job(status: string, more: object = {}) {
  return {
    TranscriptionJob: {
      TranscriptionJobName: "call-1",
      TranscriptionJobStatus: status,
      LanguageCode: "en-US",
      CreationTime: 1580863402.123,
      ...more,
    },
  };
}

const TRANSCRIPT = {
  jobName: "call-1",
  status: "COMPLETED",
  results: { transcripts: [{ transcript: "Hello." }], items: [] },
};

export const awsTranscribeFixtures = {
  provider: "aws-transcribe",
  connection: { credential: "AKIDEXAMPLEKEYID:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
  job: { id: "call-1" },
  requests: {
    status: "POST https://transcribe.us-east-1.amazonaws.com/",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "Transcribe.GetTranscriptionJob",
    },
    body: { TranscriptionJobName: "call-1" },
  },
  answers: {
    QUEUED: { body: job("QUEUED"), means: { running: "pending" } },
    IN_PROGRESS: {
      body: job("IN_PROGRESS"),
      means: { running: "processing" },
      times: ["1580863402.123", null],
    },
    COMPLETED: {
      body: job("COMPLETED", {
        CompletionTime: 1580863500.5,
        Transcript: { TranscriptFileUri: LINK },
      }),
      means: { asks: `GET ${LINK}` },
      times: ["1580863402.123", "1580863500.5"],
    },
    "COMPLETED, redacted only": {
      body: job("COMPLETED", { Transcript: { RedactedTranscriptFileUri: LINK } }),
      means: { asks: `GET ${LINK}` },
    },
    FAILED: {
      body: job("FAILED", { FailureReason: "The media format provided does not match." }),
      means: { failed: "The media format provided does not match." },
    },
    "a wrong signature": {
      status: 400,
      body: {
        __type: "InvalidSignatureException",
        message: "The request signature we calculated does not match the signature you provided.",
      },
      means: {
        credential_rejected:
          "HTTP 400: The request signature we calculated does not match the signature you provided.",
      },
    },
    "an unknown job": {
      status: 400,
      body: {
        __type: "BadRequestException",
        Message:
          "The requested job couldn't be found. Check the job name and try your request again.",
      },
      isFirst: true,
      means: {
        retry: "not_visible_yet",
        says: "HTTP 400: The requested job couldn't be found. Check the job name and try your request again.",
      },
    },
    "too many requests": {
      status: 400,
      body: { __type: "LimitExceededException", Message: "Rate exceeded" },
      means: { retry: "rate_limited", says: "HTTP 400: Rate exceeded" },
    },
  },
  results: {
    "the transcript": { body: TRANSCRIPT, means: { completed: TRANSCRIPT } },
    "a transcript in a bucket of one's own": {
      status: 403,
      headers: { "content-type": "application/xml" },
      body: "<Error><Code>AccessDenied</Code></Error>",
      means: { completed: "what the status answer says" },
    },
  },
} satisfies ProviderFixtures;
