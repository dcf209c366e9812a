import { anthropicBatch } from "./catalogue/models/anthropic-batch.ts";
import { apify } from "./catalogue/data/apify.ts";
import { assemblyai } from "./catalogue/media/assemblyai.ts";
import { auto } from "./catalogue/auto.ts";
import { awsStepFunctions } from "./catalogue/aws/aws-step-functions.ts";
import { awsTextract } from "./catalogue/aws/aws-textract.ts";
import { awsTranscribe } from "./catalogue/aws/aws-transcribe.ts";
import { azureDocumentIntelligence } from "./catalogue/documents/azure-document-intelligence.ts";
import { azureOperation } from "./catalogue/operations/azure-operation.ts";
import { bigquery } from "./catalogue/data/bigquery.ts";
import { databricks } from "./catalogue/data/databricks.ts";
import { dbtCloud } from "./catalogue/data/dbt-cloud.ts";
import { fal } from "./catalogue/media/fal.ts";
import { firecrawl } from "./catalogue/data/firecrawl.ts";
import { githubActions } from "./catalogue/operations/github-actions.ts";
import { googleOperation } from "./catalogue/operations/google-operation.ts";
import { kubernetesJob } from "./catalogue/operations/kubernetes-job.ts";
import { llamaparse } from "./catalogue/documents/llamaparse.ts";
import { luma } from "./catalogue/media/luma.ts";
import { mistralBatch } from "./catalogue/models/mistral-batch.ts";
import { openaiBatch } from "./catalogue/models/openai-batch.ts";
import { openaiResponse } from "./catalogue/models/openai-response.ts";
import { pulse } from "./catalogue/documents/pulse.ts";
import { reducto } from "./catalogue/documents/reducto.ts";
import { replicate } from "./catalogue/media/replicate.ts";
import { runpod } from "./catalogue/media/runpod.ts";
import { runway } from "./catalogue/media/runway.ts";
import { sandbox } from "./catalogue/sandbox.ts";
import { snowflake } from "./catalogue/data/snowflake.ts";
import { unstructured } from "./catalogue/documents/unstructured.ts";
import type { Provider, ProviderVersion } from "./compile/provider.ts";
import { readDefinition } from "./compile/read-definition.ts";

const SOURCES = [
  anthropicBatch,
  apify,
  assemblyai,
  auto,
  awsStepFunctions,
  awsTextract,
  awsTranscribe,
  azureDocumentIntelligence,
  azureOperation,
  bigquery,
  databricks,
  dbtCloud,
  fal,
  firecrawl,
  githubActions,
  googleOperation,
  kubernetesJob,
  llamaparse,
  luma,
  mistralBatch,
  openaiBatch,
  openaiResponse,
  pulse,
  reducto,
  replicate,
  runpod,
  runway,
  snowflake,
  unstructured,
];

/**
 * The built-in providers by name.
 * @param sandboxUrl where this gateway serves its sandbox, unless at the default address
 */
export function builtInProviders(sandboxUrl?: string): ReadonlyMap<string, ProviderVersion> {
  return new Map(sourcesOf(sandboxUrl).map((source) => [source.name, new BuiltIn(source)]));
}

/**
 * A definition that comes with the program, compiled when it is first used: to compile all of them took
 * a tenth of a start, and few gateways use many.
 */
class BuiltIn implements ProviderVersion {
  readonly name: string;
  readonly written: object;
  readonly source = "built_in";
  readonly version = null;
  #provider: Provider | null = null;

  constructor(written: { readonly name: string }) {
    this.name = written.name;
    this.written = written;
  }

  get provider(): Provider {
    this.#provider ??= compile(this.name, this.written);
    return this.#provider;
  }
}

function sourcesOf(sandboxUrl: string = sandbox.base_url) {
  return [...SOURCES, { ...sandbox, base_url: sandboxUrl }];
}

function compile(name: string, definition: object): Provider {
  const reading = readDefinition(definition);
  if (reading.ok) return reading.provider;
  const [problem] = reading.problems;
  throw new Error(`The definition of ${name}: ${problem?.pointer} ${problem?.detail}`);
}
