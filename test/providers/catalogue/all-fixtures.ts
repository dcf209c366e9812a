import { anthropicBatchFixtures } from "./models/anthropic-batch.fixtures.ts";
import { apifyFixtures } from "./data/apify.fixtures.ts";
import { assemblyaiFixtures } from "./media/assemblyai.fixtures.ts";
import { autoFixtures } from "./auto.fixtures.ts";
import { awsStepFunctionsFixtures } from "./aws/aws-step-functions.fixtures.ts";
import { awsTextractFixtures } from "./aws/aws-textract.fixtures.ts";
import { awsTranscribeFixtures } from "./aws/aws-transcribe.fixtures.ts";
import { azureDocumentIntelligenceFixtures } from "./documents/azure-document-intelligence.fixtures.ts";
import { azureOperationFixtures } from "./operations/azure-operation.fixtures.ts";
import { bigqueryFixtures } from "./data/bigquery.fixtures.ts";
import { databricksFixtures } from "./data/databricks.fixtures.ts";
import { dbtCloudFixtures } from "./data/dbt-cloud.fixtures.ts";
import { falFixtures } from "./media/fal.fixtures.ts";
import { firecrawlFixtures } from "./data/firecrawl.fixtures.ts";
import { githubActionsFixtures } from "./operations/github-actions.fixtures.ts";
import { googleOperationFixtures } from "./operations/google-operation.fixtures.ts";
import { kubernetesJobFixtures } from "./operations/kubernetes-job.fixtures.ts";
import { llamaparseFixtures } from "./documents/llamaparse.fixtures.ts";
import { lumaFixtures } from "./media/luma.fixtures.ts";
import { mistralBatchFixtures } from "./models/mistral-batch.fixtures.ts";
import { openaiBatchFixtures } from "./models/openai-batch.fixtures.ts";
import { openaiResponseFixtures } from "./models/openai-response.fixtures.ts";
import { pulseFixtures } from "./documents/pulse.fixtures.ts";
import { reductoFixtures } from "./documents/reducto.fixtures.ts";
import { replicateFixtures } from "./media/replicate.fixtures.ts";
import { runpodFixtures } from "./media/runpod.fixtures.ts";
import { runwayFixtures } from "./media/runway.fixtures.ts";
import { snowflakeFixtures } from "./data/snowflake.fixtures.ts";
import { unstructuredFixtures } from "./documents/unstructured.fixtures.ts";
import type { ProviderFixtures } from "./fixture.ts";

const sandboxFixtures = {
  ...pulseFixtures,
  provider: "sandbox",
  connection: { base_url: "http://127.0.0.1:8080" },
  requests: {
    status: "GET http://127.0.0.1:8080/sandbox/jobs/abc123",
    cancel: "DELETE http://127.0.0.1:8080/sandbox/jobs/abc123",
    headers: { "x-api-key": "key" },
  },
};

/** Fixtures of every built-in provider. */
export const ALL_FIXTURES: readonly ProviderFixtures[] = [
  anthropicBatchFixtures,
  apifyFixtures,
  assemblyaiFixtures,
  autoFixtures,
  awsStepFunctionsFixtures,
  awsTextractFixtures,
  awsTranscribeFixtures,
  azureDocumentIntelligenceFixtures,
  azureOperationFixtures,
  bigqueryFixtures,
  databricksFixtures,
  dbtCloudFixtures,
  falFixtures,
  firecrawlFixtures,
  githubActionsFixtures,
  googleOperationFixtures,
  kubernetesJobFixtures,
  llamaparseFixtures,
  lumaFixtures,
  mistralBatchFixtures,
  openaiBatchFixtures,
  openaiResponseFixtures,
  pulseFixtures,
  reductoFixtures,
  replicateFixtures,
  runpodFixtures,
  runwayFixtures,
  snowflakeFixtures,
  unstructuredFixtures,
  sandboxFixtures,
];
