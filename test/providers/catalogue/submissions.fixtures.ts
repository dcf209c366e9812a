/** A documented exchange in which a job is submitted, or one that looks like it. */
export interface SubmissionFixture {
  /** Method and path below the base URL. */
  readonly request: string;
  readonly requestHeaders?: Readonly<Record<string, string>>;
  /** 200 unless given. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text is taken as it is. */
  readonly body?: unknown;
  /** Null where no job was submitted. */
  readonly submits: {
    readonly id: string;
    readonly params?: Readonly<Record<string, string>>;
  } | null;
}

/** What connection the URLs of the fixtures belong to. */
export const SUBMISSION_ORIGIN = "https://api.example.com";

const AZURE = `${SUBMISSION_ORIGIN}/documentintelligence/documentModels/prebuilt-layout/analyzeResults/3b31320d?api-version=2024-11-30`;
const FAL = "https://queue.fal.run/fal-ai/flux/requests/80e732af";

/** By provider. */
export const SUBMISSIONS: Readonly<Record<string, readonly SubmissionFixture[]>> = {
  pulse: [
    {
      request: "POST /extract",
      status: 202,
      body: { job_id: "abc-1", status: "pending", message: "Queued" },
      submits: { id: "abc-1" },
    },
    {
      request: "POST /batch/extract",
      status: 202,
      body: { job_id: "b", status: "processing" },
      submits: { id: "b" },
    },
    { request: "POST /extract", body: { markdown: "# done", job_id: "abc-1" }, submits: null },
    {
      request: "POST /extract",
      status: 402,
      body: { error: { code: "BILLING_001" } },
      submits: null,
    },
    { request: "GET /job/abc-1", body: { job_id: "abc-1", status: "pending" }, submits: null },
  ],
  "openai-batch": [
    {
      request: "POST /v1/batches",
      body: { id: "batch_1", object: "batch", status: "validating" },
      submits: { id: "batch_1" },
    },
    { request: "POST /v1/files", body: { id: "file-1", object: "file" }, submits: null },
    { request: "POST /v1/batches/batch_1/cancel", body: { id: "batch_1" }, submits: null },
    { request: "POST /v1/batches", status: 400, body: { id: "x", error: {} }, submits: null },
  ],
  "openai-response": [
    {
      request: "POST /v1/responses",
      body: { id: "resp_1", status: "queued", background: true },
      submits: { id: "resp_1" },
    },
    {
      request: "POST /v1/responses",
      body: { id: "resp_1", status: "completed", background: false },
      submits: null,
    },
    {
      request: "POST /v1/responses",
      headers: { "content-type": "text/event-stream" },
      body: "event: response.created\n\n",
      submits: null,
    },
  ],
  "anthropic-batch": [
    {
      request: "POST /v1/messages/batches",
      body: { id: "msgbatch_1", type: "message_batch", processing_status: "in_progress" },
      submits: { id: "msgbatch_1" },
    },
    { request: "POST /v1/messages", body: { id: "msg_1", type: "message" }, submits: null },
  ],
  replicate: [
    {
      request: "POST /v1/predictions",
      status: 201,
      body: { id: "gm3qorz", status: "starting" },
      submits: { id: "gm3qorz" },
    },
    {
      request: "POST /v1/models/meta/llama-3/predictions",
      status: 201,
      body: { id: "m1", status: "starting" },
      submits: { id: "m1" },
    },
    {
      request: "POST /v1/deployments/acme/app/predictions",
      status: 201,
      body: { id: "d1", status: "starting" },
      submits: { id: "d1" },
    },
    {
      request: "POST /v1/predictions/gm3qorz/cancel",
      body: { id: "gm3qorz", status: "canceled" },
      submits: null,
    },
  ],
  fal: [
    {
      request: "POST /fal-ai/flux/dev",
      body: {
        request_id: "80e732af",
        status: "IN_QUEUE",
        response_url: FAL,
        status_url: `${FAL}/status`,
        cancel_url: `${FAL}/cancel`,
      },
      submits: {
        id: "80e732af",
        params: { status_url: `${FAL}/status`, cancel_url: `${FAL}/cancel` },
      },
    },
    { request: "POST /fal-ai/flux/dev", status: 422, body: { detail: [] }, submits: null },
  ],
  assemblyai: [
    {
      request: "POST /v2/transcript",
      body: { id: "t-1", status: "queued" },
      submits: { id: "t-1" },
    },
    { request: "POST /v2/upload", body: { upload_url: "https://cdn" }, submits: null },
  ],
  apify: [
    {
      request: "POST /v2/acts/apify~web-scraper/runs",
      status: 201,
      body: { data: { id: "HG7ML7M8z78YcAPEB", status: "READY" } },
      submits: { id: "HG7ML7M8z78YcAPEB" },
    },
    {
      request: "POST /v2/actors/a/runs",
      status: 201,
      body: { data: { id: "R1" } },
      submits: { id: "R1" },
    },
    {
      request: "POST /v2/actor-tasks/t/runs",
      status: 201,
      body: { data: { id: "R2" } },
      submits: { id: "R2" },
    },
    { request: "POST /v2/actor-runs/R1/abort", body: { data: { id: "R1" } }, submits: null },
  ],
  firecrawl: [
    {
      request: "POST /v2/crawl",
      body: { success: true, id: "c-1", url: "https://api.firecrawl.dev/v2/crawl/c-1" },
      submits: { id: "c-1", params: { kind: "crawl" } },
    },
    {
      request: "POST /v2/batch/scrape",
      body: { success: true, id: "s-1" },
      submits: { id: "s-1", params: { kind: "batch/scrape" } },
    },
    { request: "POST /v2/scrape", body: { success: true, data: { markdown: "#" } }, submits: null },
  ],
  "azure-document-intelligence": [
    {
      request: "POST /documentintelligence/documentModels/prebuilt-layout:analyze",
      status: 202,
      headers: { "operation-location": AZURE },
      submits: { id: "3b31320d", params: { operation_location: AZURE } },
    },
    {
      request: "POST /documentintelligence/documentModels:build",
      status: 400,
      body: { error: {} },
      submits: null,
    },
  ],
  "azure-operation": [
    {
      request: "PUT /subscriptions/s/resourceGroups/g/providers/p/things/t",
      status: 201,
      headers: {
        "azure-asyncoperation": `${SUBMISSION_ORIGIN}/subscriptions/s/operations/op-1?v=1`,
      },
      body: { properties: { provisioningState: "Creating" } },
      submits: {
        id: "op-1",
        params: { operation_url: `${SUBMISSION_ORIGIN}/subscriptions/s/operations/op-1?v=1` },
      },
    },
    {
      request: "DELETE /subscriptions/s/things/t",
      status: 202,
      headers: { location: "/subscriptions/s/operationresults/op-2" },
      submits: {
        id: "op-2",
        params: { operation_url: `${SUBMISSION_ORIGIN}/subscriptions/s/operationresults/op-2` },
      },
    },
    {
      request: "POST /things/t:run",
      status: 202,
      headers: { "operation-location": `${SUBMISSION_ORIGIN}/operations/op-3`, location: "/other" },
      submits: { id: "op-3", params: { operation_url: `${SUBMISSION_ORIGIN}/operations/op-3` } },
    },
    {
      request: "PUT /things/t",
      status: 201,
      headers: { location: "/things/t" },
      body: {},
      submits: null,
    },
  ],
  "google-operation": [
    {
      request: "POST /v2/projects/p/locations/global/recognizers/_:batchRecognize",
      body: { name: "projects/p/locations/global/operations/123", metadata: {} },
      submits: {
        id: "projects/p/locations/global/operations/123",
        params: { version: "v2" },
      },
    },
    { request: "POST /v1/speech:recognize", body: { results: [] }, submits: null },
  ],
  llamaparse: [
    {
      request: "POST /api/v2/parse",
      body: { id: "pjb-1", status: "PENDING" },
      submits: { id: "pjb-1" },
    },
    {
      request: "POST /api/v2/parse/upload",
      body: { job: { id: "pjb-2" } },
      submits: { id: "pjb-2" },
    },
  ],
  reducto: [
    { request: "POST /parse_async", body: { job_id: "r-1" }, submits: { id: "r-1" } },
    { request: "POST /parse", body: { job_id: "r-1", result: {} }, submits: null },
  ],
  unstructured: [
    {
      request: "POST /workflows/w-1/run",
      status: 202,
      body: { id: "j-1", status: "scheduled" },
      submits: { id: "j-1" },
    },
    {
      request: "POST /jobs/",
      status: 202,
      body: { id: "j-2", status: "scheduled" },
      submits: { id: "j-2" },
    },
    { request: "POST /workflows", body: { id: "w-1" }, submits: null },
  ],
  "mistral-batch": [
    {
      request: "POST /v1/batch/jobs",
      body: { id: "mb-1", status: "QUEUED" },
      submits: { id: "mb-1" },
    },
    { request: "POST /v1/batch/jobs/mb-1/cancel", body: { id: "mb-1" }, submits: null },
  ],
  bigquery: [
    {
      request: "POST /bigquery/v2/projects/p/jobs",
      body: { jobReference: { projectId: "p", jobId: "job_1", location: "EU" } },
      submits: { id: "job_1", params: { project: "p", location: "EU" } },
    },
    {
      request: "POST /upload/bigquery/v2/projects/p/jobs",
      body: { jobReference: { projectId: "p", jobId: "job_2" } },
      submits: { id: "job_2", params: { project: "p" } },
    },
    {
      request: "POST /bigquery/v2/projects/p/queries",
      body: {
        jobComplete: false,
        jobReference: { projectId: "p", jobId: "job_3", location: "US" },
      },
      submits: { id: "job_3", params: { project: "p", location: "US" } },
    },
    {
      request: "POST /bigquery/v2/projects/p/queries",
      body: { jobComplete: true, jobReference: { projectId: "p", jobId: "job_3" }, rows: [] },
      submits: null,
    },
  ],
  databricks: [
    {
      request: "POST /api/2.2/jobs/run-now",
      body: '{"run_id":455644833123456789,"number_in_job":455644833123456789}',
      submits: { id: "455644833123456789" },
    },
    { request: "POST /api/2.1/jobs/runs/submit", body: { run_id: 7 }, submits: { id: "7" } },
    { request: "POST /api/2.2/jobs/create", body: { job_id: 11 }, submits: null },
  ],
  "dbt-cloud": [
    {
      request: "POST /api/v2/accounts/12/jobs/34/run/",
      body: { data: { id: 56, status: 1 }, status: { code: 200 } },
      submits: { id: "56", params: { account: "12" } },
    },
  ],
  snowflake: [
    {
      request: "POST /api/v2/statements",
      status: 202,
      body: { statementHandle: "01b-2", code: "333334" },
      submits: { id: "01b-2" },
    },
    {
      request: "POST /api/v2/statements",
      body: { statementHandle: "01b-2", data: [] },
      submits: null,
    },
  ],
  runpod: [
    {
      request: "POST /v2/ep1/run",
      body: { id: "rp-1", status: "IN_QUEUE" },
      submits: { id: "rp-1", params: { endpoint: "ep1" } },
    },
    { request: "POST /v2/ep1/runsync", body: { id: "sync-1", status: "COMPLETED" }, submits: null },
  ],
  runway: [
    { request: "POST /v1/image_to_video", body: { id: "rw-1" }, submits: { id: "rw-1" } },
    { request: "POST /v1/recipes/product_ad", body: { id: "rw-2" }, submits: { id: "rw-2" } },
    { request: "POST /v1/generate/video", body: { id: "rw-3" }, submits: { id: "rw-3" } },
    { request: "POST /v1/organization/usage", body: { id: "o" }, submits: null },
    { request: "POST /v1/avatars", body: { id: "av-1" }, submits: null },
  ],
  luma: [
    {
      request: "POST /dream-machine/v1/generations",
      status: 201,
      body: { id: "l-1", state: "queued" },
      submits: { id: "l-1" },
    },
    {
      request: "POST /dream-machine/v1/generations/image",
      status: 201,
      body: { id: "l-2" },
      submits: { id: "l-2" },
    },
  ],
  "aws-textract": [
    {
      request: "POST /",
      requestHeaders: { "x-amz-target": "Textract.StartDocumentTextDetection" },
      body: { JobId: "tx-1" },
      submits: { id: "tx-1", params: { operation: "DocumentTextDetection" } },
    },
    {
      request: "POST /",
      requestHeaders: { "x-amz-target": "Textract.DetectDocumentText" },
      body: { Blocks: [] },
      submits: null,
    },
  ],
  "aws-transcribe": [
    {
      request: "POST /",
      requestHeaders: { "x-amz-target": "Transcribe.StartTranscriptionJob" },
      body: { TranscriptionJob: { TranscriptionJobName: "tr-1" } },
      submits: { id: "tr-1" },
    },
  ],
  "aws-step-functions": [
    {
      request: "POST /",
      requestHeaders: { "x-amz-target": "AWSStepFunctions.StartExecution" },
      body: { executionArn: "arn:aws:states:us-east-1:1:execution:m:e", startDate: 1 },
      submits: { id: "arn:aws:states:us-east-1:1:execution:m:e" },
    },
  ],
  "github-actions": [
    {
      request: "POST /repos/o/r/actions/workflows/ci.yml/dispatches",
      body: { workflow_run_id: 30433642, run_url: "…" },
      submits: { id: "30433642", params: { owner: "o", repo: "r" } },
    },
    { request: "POST /repos/o/r/actions/workflows/ci.yml/dispatches", status: 204, submits: null },
  ],
  "kubernetes-job": [
    {
      request: "POST /apis/batch/v1/namespaces/team/jobs",
      status: 201,
      body: { kind: "Job", metadata: { name: "pi" } },
      submits: { id: "pi", params: { namespace: "team" } },
    },
    {
      request: "POST /apis/batch/v1/namespaces/team/cronjobs",
      status: 201,
      body: { kind: "CronJob", metadata: { name: "c" } },
      submits: null,
    },
  ],
  auto: [
    {
      request: "POST /things:run",
      status: 202,
      headers: { "operation-location": `${SUBMISSION_ORIGIN}/ops/1`, location: "/x" },
      submits: { id: "1", params: { status_url: `${SUBMISSION_ORIGIN}/ops/1` } },
    },
    {
      request: "PUT /things/2",
      status: 201,
      headers: { "azure-asyncoperation": `${SUBMISSION_ORIGIN}/ops/2?v=1` },
      submits: { id: "2", params: { status_url: `${SUBMISSION_ORIGIN}/ops/2?v=1` } },
    },
    {
      request: "POST /exports",
      status: 202,
      headers: { location: "/exports/3" },
      submits: { id: "3", params: { status_url: `${SUBMISSION_ORIGIN}/exports/3` } },
    },
    { request: "POST /exports", status: 201, headers: { location: "/exports/3" }, submits: null },
    {
      request: "POST /v1/projects/p/things",
      body: { name: "projects/p/operations/4", metadata: {} },
      submits: {
        id: "projects/p/operations/4",
        params: { status_url: `${SUBMISSION_ORIGIN}/v1/projects/p/operations/4` },
      },
    },
    { request: "POST /v1/things", body: { name: "things/operations" }, submits: null },
    {
      request: "POST /predictions",
      body: { id: "5", urls: { get: `${SUBMISSION_ORIGIN}/predictions/5` } },
      submits: { id: "5", params: { status_url: `${SUBMISSION_ORIGIN}/predictions/5` } },
    },
    {
      request: "POST /queue/model",
      body: { request_id: "6", status_url: "/queue/model/6/status" },
      submits: { id: "6", params: { status_url: `${SUBMISSION_ORIGIN}/queue/model/6/status` } },
    },
    {
      request: "POST /jobs/",
      body: { data: { id: 7, status: "IN_QUEUE" } },
      submits: { id: "7", params: { status_url: `${SUBMISSION_ORIGIN}/jobs/7` } },
    },
    { request: "POST /jobs", body: { id: "8", status: "active" }, submits: null },
    { request: "POST /jobs", body: { id: "8" }, submits: null },
    { request: "POST /jobs", status: 500, body: { id: "8", status: "queued" }, submits: null },
    { request: "GET /jobs", body: { id: "8", status: "queued" }, submits: null },
    {
      request: "POST /chat",
      headers: { "content-type": "text/event-stream" },
      body: '{"id":"9","status":"queued"}',
      submits: null,
    },
    { request: "POST /chat", body: "not JSON", submits: null },
  ],
};
