import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { COMPLETED, FAILED } from "../ending-words.ts";
import { AWS_ERROR_PLACES, awsError, awsErrorRules } from "./aws-errors.ts";

const STATUS = { pointer: "/TranscriptionJob/TranscriptionJobStatus" };

/** A transcript of an audio file by Amazon Transcribe. */
export const awsTranscribe = {
  name: "aws-transcribe",
  title: "Amazon Transcribe",
  documentation_url:
    "https://docs.aws.amazon.com/transcribe/latest/APIReference/API_GetTranscriptionJob.html",
  notes:
    "The job id is the job's name. The result is the transcript where the service keeps it: it is " +
    "fetched by its link, which is good for 15 minutes. One that was written into a bucket of one's " +
    "own can't be fetched without asking S3 for it: then the result is the job, with TranscriptFileUri. " +
    "The credential is access_key_id:secret_access_key[:session_token]; another region is another " +
    "base_url. Jobs can't be canceled, and are kept for 90 days. ‡ Quotas differ between regions.",
  base_url: "https://transcribe.us-east-1.amazonaws.com",
  allowed_hosts: [
    "transcribe.*.amazonaws.com",
    "fips.transcribe.*.amazonaws.com",
    "transcribe.*.amazonaws.com.cn",
  ],
  auth: { kind: "aws_sigv4", service: "transcribe" },
  status: {
    method: "POST",
    path: "/",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "Transcribe.GetTranscriptionJob",
    },
    body: { kind: "json", value: { TranscriptionJobName: "{job_id}" } },
  },
  submit: [
    {
      path: "/",
      request_headers: [{ name: "x-amz-target", eq: "Transcribe.StartTranscriptionJob" }],
      job_id: { pointer: "/TranscriptionJob/TranscriptionJobName" },
    },
  ],
  rules: [
    { http_status: 200, all: [{ ...STATUS, eq: "QUEUED" }], observe: "running", phase: "pending" },
    { http_status: 200, all: [{ ...STATUS, eq: "IN_PROGRESS" }], observe: "running" },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    {
      note: "The documentation says the one, the service answers the other.",
      all: [awsError("transcribe", ["NotFoundException", "BadRequestException"])],
      observe: "not_found",
    },
    ...awsErrorRules("transcribe"),
  ],
  extract: {
    status: ["/TranscriptionJob/TranscriptionJobStatus"],
    error: ["/TranscriptionJob/FailureReason", ...AWS_ERROR_PLACES],
    created_at: ["/TranscriptionJob/CreationTime"],
    updated_at: ["/TranscriptionJob/CompletionTime", "/TranscriptionJob/StartTime"],
  },
  result: {
    kind: "request",
    request: {
      url_at: [
        "/TranscriptionJob/Transcript/TranscriptFileUri",
        "/TranscriptionJob/Transcript/RedactedTranscriptFileUri",
      ],
      credential: false,
      hosts: ["s3.*.amazonaws.com", "s3.amazonaws.com", "*.s3.*.amazonaws.com"],
    },
    otherwise_on: [403],
    otherwise: ["/TranscriptionJob"],
  },
  schedule: { kind: "exponential", initial_s: 3, factor: 1.5, cap_s: 20 },
  limits: { concurrency: 16, requests_per_second: 10, burst: 10 },
  deadline_s: 7 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
