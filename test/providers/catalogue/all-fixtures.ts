import { anthropicBatchFixtures } from "./anthropic-batch.fixtures.ts";
import { apifyFixtures } from "./apify.fixtures.ts";
import { assemblyaiFixtures } from "./assemblyai.fixtures.ts";
import { autoFixtures } from "./auto.fixtures.ts";
import { awsStepFunctionsFixtures } from "./aws-step-functions.fixtures.ts";
import { awsTextractFixtures } from "./aws-textract.fixtures.ts";
import { awsTranscribeFixtures } from "./aws-transcribe.fixtures.ts";
import { azureDocumentIntelligenceFixtures } from "./azure-document-intelligence.fixtures.ts";
import { azureOperationFixtures } from "./azure-operation.fixtures.ts";
import { bigqueryFixtures } from "./bigquery.fixtures.ts";
import { databricksFixtures } from "./databricks.fixtures.ts";
import { dbtCloudFixtures } from "./dbt-cloud.fixtures.ts";
import { falFixtures } from "./fal.fixtures.ts";
import { firecrawlFixtures } from "./firecrawl.fixtures.ts";
import { githubActionsFixtures } from "./github-actions.fixtures.ts";
import { googleOperationFixtures } from "./google-operation.fixtures.ts";
import { kubernetesJobFixtures } from "./kubernetes-job.fixtures.ts";
import { llamaparseFixtures } from "./llamaparse.fixtures.ts";
import { lumaFixtures } from "./luma.fixtures.ts";
import { mistralBatchFixtures } from "./mistral-batch.fixtures.ts";
import { openaiBatchFixtures } from "./openai-batch.fixtures.ts";
import { openaiResponseFixtures } from "./openai-response.fixtures.ts";
import { pulseFixtures } from "./pulse.fixtures.ts";
import { reductoFixtures } from "./reducto.fixtures.ts";
import { replicateFixtures } from "./replicate.fixtures.ts";
import { runpodFixtures } from "./runpod.fixtures.ts";
import { runwayFixtures } from "./runway.fixtures.ts";
import { snowflakeFixtures } from "./snowflake.fixtures.ts";
import { unstructuredFixtures } from "./unstructured.fixtures.ts";
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
