import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { CANCELED_OR_ABORTED, COMPLETED, FAILED } from "../ending-words.ts";
import { AWS_ERROR_PLACES, awsError, awsErrorRules } from "./aws-errors.ts";

const STATUS = { pointer: "/status" };
const JSON_1_0 = { "content-type": "application/x-amz-json-1.0" };
const BODY = { kind: "json", value: { executionArn: "{job_id}" } } as const;

/** An execution of a state machine. */
export const awsStepFunctions = {
  name: "aws-step-functions",
  title: "AWS Step Functions executions",
  documentation_url:
    "https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html",
  notes:
    "The job id is the ARN of an execution of a standard state machine; express ones can't be asked " +
    "about. The result is output: JSON as a text, as AWS gives it. The credential is " +
    "access_key_id:secret_access_key[:session_token]; another region is another base_url. An " +
    "execution runs for a year at most; the deadline is 30 days unless its subscription says " +
    "otherwise. One that ended is kept for 90 days. ‡ The quota of DescribeExecution differs between regions.",
  base_url: "https://states.us-east-1.amazonaws.com",
  allowed_hosts: [
    "states.*.amazonaws.com",
    "states-fips.*.amazonaws.com",
    "states.*.amazonaws.com.cn",
  ],
  auth: { kind: "aws_sigv4", service: "states" },
  status: {
    method: "POST",
    path: "/",
    headers: { ...JSON_1_0, "x-amz-target": "AWSStepFunctions.DescribeExecution" },
    body: BODY,
  },
  submit: [
    {
      path: "/",
      request_headers: [{ name: "x-amz-target", eq: "AWSStepFunctions.StartExecution" }],
      job_id: { pointer: "/executionArn" },
    },
  ],
  cancel: {
    method: "POST",
    path: "/",
    headers: { ...JSON_1_0, "x-amz-target": "AWSStepFunctions.StopExecution" },
    body: BODY,
  },
  rules: [
    { http_status: 200, all: [{ ...STATUS, eq: "RUNNING" }], observe: "running" },
    {
      note: "It failed, and a map run will start it again.",
      http_status: 200,
      all: [{ ...STATUS, eq: "PENDING_REDRIVE" }],
      observe: "running",
      phase: "pending",
    },
    { http_status: 200, all: [{ ...STATUS, ...COMPLETED }], observe: "completed" },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { http_status: 200, all: [{ ...STATUS, ...CANCELED_OR_ABORTED }], observe: "canceled" },
    { all: [awsError("states", ["ExecutionDoesNotExist"])], observe: "not_found" },
    ...awsErrorRules("states"),
  ],
  extract: {
    status: ["/status"],
    error: ["/cause", "/error", ...AWS_ERROR_PLACES],
    created_at: ["/startDate"],
    updated_at: ["/stopDate"],
  },
  result: { kind: "inline", at: ["/output"] },
  schedule: { kind: "exponential", initial_s: 2, factor: 1.5, cap_s: 20 },
  limits: { concurrency: 16, requests_per_second: 10, burst: 50 },
  deadline_s: 30 * 24 * 3600,
  deadline_s_max: 365 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
