import type { ProviderDefinitionSource } from "../../definition/definition.ts";
import { COMPLETED, FAILED, withWords } from "../ending-words.ts";
import { AWS_ERROR_PLACES, awsError, awsErrorRules } from "./aws-errors.ts";

const STATUS = { pointer: "/JobStatus" };

/** An analysis of a document by Amazon Textract. */
export const awsTextract = {
  name: "aws-textract",
  title: "Amazon Textract",
  documentation_url: "https://docs.aws.amazon.com/textract/latest/dg/API_GetDocumentAnalysis.html",
  notes:
    "The param operation is the name of the Get operation without Get: DocumentAnalysis unless " +
    "DocumentTextDetection, ExpenseAnalysis or LendingAnalysis. The result is the answer with its " +
    "first thousand blocks; a NextToken in it leads to more. PARTIAL_SUCCESS counts as completed, with " +
    "Warnings. The credential is access_key_id:secret_access_key[:session_token]; another region is " +
    "another base_url. Jobs can't be canceled, and are kept for 7 days. ‡ The limit of 5 requests a " +
    "second is the quota of most regions; some take more.",
  base_url: "https://textract.us-east-1.amazonaws.com",
  allowed_hosts: ["textract.*.amazonaws.com", "textract-fips.*.amazonaws.com"],
  auth: { kind: "aws_sigv4", service: "textract" },
  params: {
    operation: {
      description: "DocumentAnalysis, DocumentTextDetection, ExpenseAnalysis or LendingAnalysis.",
      default: "DocumentAnalysis",
    },
  },
  status: {
    method: "POST",
    path: "/",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "Textract.Get{params.operation}",
    },
    body: { kind: "json", value: { JobId: "{job_id}" } },
  },
  submit: ["DocumentAnalysis", "DocumentTextDetection", "ExpenseAnalysis", "LendingAnalysis"].map(
    (operation) => ({
      path: "/",
      request_headers: [{ name: "x-amz-target", eq: `Textract.Start${operation}` }],
      job_id: { pointer: "/JobId" },
      params: { operation: { value: operation } },
    }),
  ),
  rules: [
    { http_status: 200, all: [{ ...STATUS, eq: "IN_PROGRESS" }], observe: "running" },
    {
      http_status: 200,
      all: [{ ...STATUS, ...withWords(COMPLETED, ["PARTIAL_SUCCESS"]) }],
      observe: "completed",
    },
    { http_status: 200, all: [{ ...STATUS, ...FAILED }], observe: "failed" },
    { all: [awsError("textract", ["InvalidJobIdException"])], observe: "not_found" },
    ...awsErrorRules("textract"),
  ],
  extract: { status: ["/JobStatus"], error: ["/StatusMessage", ...AWS_ERROR_PLACES] },
  schedule: { kind: "exponential", initial_s: 2, factor: 1.5, cap_s: 15 },
  limits: { concurrency: 16, requests_per_second: 5, burst: 5 },
  deadline_s: 7 * 24 * 3600,
} as const satisfies ProviderDefinitionSource;
