import Anthropic from "@anthropic-ai/sdk";
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import {
  TextractClient,
  StartDocumentTextDetectionCommand,
  GetDocumentTextDetectionCommand,
} from "@aws-sdk/client-textract";
import createDocumentIntelligence, {
  getLongRunningPoller,
  isUnexpected,
} from "@azure-rest/ai-document-intelligence";
import { createFalClient } from "@fal-ai/client";
import LlamaCloud from "@llamaindex/llama-cloud";
import { Firecrawl } from "@mendable/firecrawl-js";
import { ApifyClient } from "apify-client";
import { AssemblyAI } from "assemblyai";
import OpenAI from "openai";
import Replicate from "replicate";
import type { TestContext } from "vitest";
import { describe, expect, test } from "vitest";
import { awsStepFunctions } from "../../src/providers/catalogue/aws/aws-step-functions.ts";
import { googleOperation } from "../../src/providers/catalogue/operations/google-operation.ts";
import { awsTextract } from "../../src/providers/catalogue/aws/aws-textract.ts";
import { useScenes } from "../end-to-end/scene.ts";
import { isSignedWith } from "../support/aws-signature.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { type ApiReply, type ApiRequest, openJobApi } from "../support/job-api.ts";

/*
 * The official clients as they are published, with nothing changed but the base URL and the key: the
 * connection says where the callback goes.
 */

const openScene = useScenes();
const UPSTREAM_KEY = "key-of-the-api";
/** The built-in ones go to the hosts of their vendor only. */
const OWN_COPIES: Readonly<Record<string, object>> = {
  "own-textract": awsTextract,
  "own-step-functions": awsStepFunctions,
  "own-google-operation": googleOperation,
};
const AWS_CREDENTIAL = "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/** A connection to a fake API whose job runs for `runs` polls, and then ends. */
async function open(
  context: TestContext,
  provider: string,
  answer: (request: ApiRequest, origin: string) => ApiReply,
  credential = UPSTREAM_KEY,
) {
  const scene = await openScene(context);
  const own = OWN_COPIES[provider];
  if (own !== undefined) {
    // JSON leaves out what is undefined.
    const definition = { ...own, name: provider, base_url: undefined, allowed_hosts: undefined };
    const put = await scene.gateway.api("PUT", `/v1/providers/${provider}`, definition);
    expect(put.status).toBeLessThan(300);
  }
  const api = await openJobApi(context, answer);
  const connection = await scene.connect({
    provider,
    credential,
    base_url: api.origin,
    callback_url: scene.receiver.url(scene.path),
  });
  const ended = async (jobId: string) => {
    const { event } = await scene.receiver.takeOne(scene.path);
    expect(event).toMatchObject({ type: "job.completed", data: { provider, job_id: jobId } });
  };
  return { api, ended, baseURL: `${scene.gateway.url}/via/${connection.id}` };
}

/** Answers with the first for the first `times` times, then with the second. */
function after(times: number, before: object, then: object): () => ApiReply {
  let asked = 0;
  return () => ({ body: (asked += 1) <= times ? before : then });
}

/** The credentials that the API has seen. */
function keysOf(requests: readonly ApiRequest[]): readonly (string | undefined)[] {
  return [...new Set(requests.map(({ headers }) => headers["authorization"]))];
}

/** Whether requests are signed with the connection's key. */
function areSigned(requests: readonly ApiRequest[]): readonly boolean[] {
  const secret = AWS_CREDENTIAL.split(":")[1] ?? "";
  const signed = requests.map(({ body, ...request }) =>
    isSignedWith(secret, { ...request, body: body.toString() }),
  );
  return [...new Set(signed)];
}

describe.concurrent("unmodified, through the gateway, the client of", () => {
  test("the unmodified OpenAI client makes a batch through the gateway, and polls it", async (context) => {
    const batch = { id: "batch_1", object: "batch", status: "in_progress" };
    const status = after(2, batch, { ...batch, status: "completed", output_file_id: "file-1" });
    const { api, ended, baseURL } = await open(context, "openai-batch", ({ line }) => {
      if (line === "POST /v1/batches") return { body: { ...batch, status: "validating" } };
      return line === "GET /v1/batches/batch_1" ? status() : { body: "{}\n" };
    });
    const client = new OpenAI({ apiKey: API_KEY, baseURL: `${baseURL}/v1`, maxRetries: 0 });
    const made = await client.batches.create({
      input_file_id: "file-0",
      endpoint: "/v1/responses",
      completion_window: "24h",
    });
    expect(made.id).toBe("batch_1");
    await ended("batch_1");
    expect((await client.batches.retrieve("batch_1")).status).toBe("completed");
    const keys = api.requests.map(({ headers }) => headers["authorization"]);
    expect(new Set(keys)).toEqual(new Set([`Bearer ${UPSTREAM_KEY}`]));
  });

  test("the unmodified OpenAI client makes a background response through the gateway, and streams a chat that is not a job", async (context) => {
    const response = { id: "resp_1", object: "response", background: true, output: [] };
    const status = after(
      1,
      { ...response, status: "in_progress" },
      { ...response, status: "completed" },
    );
    const events = ["a", "b"].map(
      (content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`,
    );
    const { ended, baseURL } = await open(context, "openai-response", ({ line }) => {
      if (line === "POST /v1/responses") return { body: { ...response, status: "queued" } };
      if (line === "GET /v1/responses/resp_1") return status();
      return {
        headers: { "content-type": "text/event-stream" },
        body: `${events.join("")}data: [DONE]\n\n`,
      };
    });
    const client = new OpenAI({ apiKey: API_KEY, baseURL: `${baseURL}/v1`, maxRetries: 0 });
    const made = await client.responses.create({ model: "m", input: "Hi", background: true });
    expect(made.status).toBe("queued");
    await ended("resp_1");
    const stream = await client.chat.completions.create({ model: "m", messages: [], stream: true });
    let said = "";
    for await (const part of stream) said += part.choices[0]?.delta.content ?? "";
    expect(said).toBe("ab");
  });

  test("the unmodified Anthropic client makes a batch of messages through the gateway, and polls it", async (context) => {
    const batch = { id: "msgbatch_1", type: "message_batch", request_counts: { succeeded: 1 } };
    const { ended, baseURL } = await open(context, "anthropic-batch", ({ line }, origin) => {
      const url = `${origin}/v1/messages/batches/msgbatch_1/results`;
      if (line.startsWith("POST ")) return { body: { ...batch, processing_status: "in_progress" } };
      if (line.endsWith("/results")) return { body: '{"custom_id":"1"}\n' };
      return { body: { ...batch, processing_status: "ended", results_url: url } };
    });
    const client = new Anthropic({ apiKey: API_KEY, baseURL, maxRetries: 0 });
    const made = await client.messages.batches.create({ requests: [] });
    expect(made.processing_status).toBe("in_progress");
    await ended("msgbatch_1");
    const { processing_status } = await client.messages.batches.retrieve(made.id);
    expect(processing_status).toBe("ended");
  });

  test("the unmodified Replicate client makes a prediction through the gateway, and waits for it", async (context) => {
    const prediction = { id: "p1", status: "starting", output: null };
    const status = after(2, prediction, { ...prediction, status: "succeeded", output: ["x"] });
    const { ended, baseURL } = await open(context, "replicate", ({ method }) =>
      method === "POST" ? { status: 201, body: prediction } : status(),
    );
    const client = new Replicate({ auth: API_KEY, baseUrl: `${baseURL}/v1` });
    const made = await client.predictions.create({ version: "v", input: {} });
    const done = await client.wait(made, { interval: 20 });
    expect(done.output).toEqual(["x"]);
    await ended("p1");
  });

  test("the unmodified AssemblyAI client submits a transcript through the gateway, and waits for it", async (context) => {
    const transcript = { id: "t1", status: "queued" };
    const status = after(2, transcript, { ...transcript, status: "completed", text: "hi" });
    const { api, ended, baseURL } = await open(context, "assemblyai", ({ method }) =>
      method === "POST" ? { body: transcript } : status(),
    );
    const client = new AssemblyAI({ apiKey: API_KEY, baseUrl: baseURL });
    const submitted = await client.transcripts.submit({ audio: "https://example.com/a.mp3" });
    const done = await client.transcripts.waitUntilReady(submitted.id, { pollingInterval: 20 });
    expect(done.text).toBe("hi");
    await ended("t1");
    expect(api.requests[0]?.headers["authorization"]).toBe(UPSTREAM_KEY);
  });

  test("the unmodified Azure client analyzes a document through the gateway, and follows Operation-Location", async (context) => {
    const path = "/documentintelligence/documentModels/m/analyzeResults/r1?api-version=2024-11-30";
    const status = after(
      2,
      { status: "running" },
      { status: "succeeded", analyzeResult: { content: "x" } },
    );
    const { api, ended, baseURL } = await open(
      context,
      "azure-document-intelligence",
      ({ method }, origin) =>
        method === "POST"
          ? { status: 202, headers: { "operation-location": origin + path }, body: "" }
          : status(),
    );
    const client = createDocumentIntelligence(
      baseURL,
      { key: API_KEY },
      { allowInsecureConnection: true },
    );
    const initial = await client
      .path("/documentModels/{modelId}:analyze", "m")
      .post({ contentType: "application/json", body: { urlSource: "https://example.com/a.pdf" } });
    if (isUnexpected(initial)) throw new Error(initial.body.error.message);
    const poller = getLongRunningPoller(client, initial, { intervalInMs: 20 });
    const done = (await poller.pollUntilDone()).body as { readonly status: string };
    expect(done.status).toBe("succeeded");
    await ended("r1");
    const keys = api.requests.map(({ headers }) => headers["ocp-apim-subscription-key"]);
    expect(new Set(keys)).toEqual(new Set([UPSTREAM_KEY]));
  });

  test("the unmodified Textract client starts a job through the gateway, signed again with the connection's key, and polls it", async (context) => {
    const status = after(2, { JobStatus: "IN_PROGRESS" }, { JobStatus: "SUCCEEDED", Blocks: [] });
    const { api, ended, baseURL } = await open(
      context,
      "own-textract",
      ({ headers }) =>
        headers["x-amz-target"]?.includes("Start") === true
          ? { body: { JobId: "tx-1" } }
          : status(),
      AWS_CREDENTIAL,
    );
    const client = new TextractClient({
      region: "us-east-1",
      endpoint: baseURL,
      credentials: { accessKeyId: API_KEY, secretAccessKey: "not-used" },
      maxAttempts: 1,
    });
    const made = await client.send(
      new StartDocumentTextDetectionCommand({
        DocumentLocation: { S3Object: { Bucket: "b", Name: "n" } },
      }),
    );
    expect(made.JobId).toBe("tx-1");
    await ended("tx-1");
    const done = await client.send(new GetDocumentTextDetectionCommand({ JobId: "tx-1" }));
    expect(done.JobStatus).toBe("SUCCEEDED");
    expect(areSigned(api.requests)).toEqual([true]);
  });

  test("the unmodified Step Functions client starts an execution through the gateway, signed again, and describes it", async (context) => {
    const arn = "arn:aws:states:us-east-1:123456789012:execution:m:e1";
    const execution = { executionArn: arn, stateMachineArn: "m", startDate: 1 };
    const status = after(
      2,
      { ...execution, status: "RUNNING" },
      { ...execution, status: "SUCCEEDED", output: "{}" },
    );
    const { api, ended, baseURL } = await open(
      context,
      "own-step-functions",
      ({ headers }) =>
        headers["x-amz-target"]?.includes("Start") === true
          ? { body: { executionArn: arn, startDate: 1 } }
          : status(),
      AWS_CREDENTIAL,
    );
    const client = new SFNClient({
      region: "us-east-1",
      endpoint: baseURL,
      credentials: { accessKeyId: API_KEY, secretAccessKey: "not-used" },
      maxAttempts: 1,
    });
    const made = await client.send(new StartExecutionCommand({ stateMachineArn: "m" }));
    expect(made.executionArn).toBe(arn);
    await ended(arn);
    const done = await client.send(new DescribeExecutionCommand({ executionArn: arn }));
    expect(done.status).toBe("SUCCEEDED");
    expect(areSigned(api.requests)).toEqual([true]);
  });

  test("the unmodified Apify client starts an actor through the gateway, and waits for its run", async (context) => {
    const run = { id: "run1", status: "RUNNING" };
    const status = after(2, { data: run }, { data: { ...run, status: "SUCCEEDED" } });
    const { api, ended, baseURL } = await open(context, "apify", ({ method, path }) => {
      if (method === "POST") return { status: 201, body: { data: { ...run, status: "READY" } } };
      return path.includes("/dataset/items") ? { body: [{ a: 1 }] } : status();
    });
    const client = new ApifyClient({ token: API_KEY, baseUrl: baseURL, maxRetries: 0 });
    const made = await client.actor("me/actor").start({});
    expect(made.status).toBe("READY");
    await ended("run1");
    const done = await client.run(made.id).waitForFinish({ waitSecs: 5 });
    expect(done.status).toBe("SUCCEEDED");
    expect(keysOf(api.requests)).toEqual([`Bearer ${UPSTREAM_KEY}`]);
  });

  test("the unmodified Firecrawl client starts a crawl through the gateway, and polls it", async (context) => {
    const crawl = { success: true, completed: 0, total: 1, data: [] };
    const status = after(
      2,
      { ...crawl, status: "scraping" },
      { ...crawl, status: "completed", completed: 1, data: [{ markdown: "# a" }] },
    );
    const { api, ended, baseURL } = await open(context, "firecrawl", ({ method }) =>
      method === "POST" ? { body: { success: true, id: "crawl1", url: "x" } } : status(),
    );
    const client = new Firecrawl({ apiKey: API_KEY, apiUrl: baseURL });
    const made = await client.startCrawl("https://example.com");
    expect(made.id).toBe("crawl1");
    await ended("crawl1");
    expect((await client.getCrawlStatus("crawl1")).status).toBe("completed");
    expect(keysOf(api.requests)).toEqual([`Bearer ${UPSTREAM_KEY}`]);
  });

  test("the unmodified LlamaCloud client parses a document through the gateway, and polls it", async (context) => {
    const job = { id: "pjb-1", project_id: "p" };
    const status = after(
      2,
      { job: { ...job, status: "RUNNING" } },
      { job: { ...job, status: "COMPLETED" }, markdown: { pages: [] } },
    );
    const { api, ended, baseURL } = await open(context, "llamaparse", ({ method }) =>
      method === "POST" ? { body: { ...job, status: "PENDING" } } : status(),
    );
    const client = new LlamaCloud({ apiKey: API_KEY, baseURL, maxRetries: 0 });
    const made = await client.parsing.create({
      tier: "fast",
      version: "latest",
      source_url: "https://example.com/a.pdf",
    });
    await ended(made.id);
    const done = await client.parsing.get(made.id, { expand: ["markdown"] });
    expect(done.job.status).toBe("COMPLETED");
    expect(keysOf(api.requests)).toEqual([`Bearer ${UPSTREAM_KEY}`]);
  });

  test("the unmodified fal client submits to its queue through the gateway, and asks for status and result", async (context) => {
    const status = after(2, { status: "IN_QUEUE" }, { status: "COMPLETED" });
    const { api, ended, baseURL } = await open(context, "fal", ({ method, path }, origin) => {
      const url = `${origin}/fal-ai/flux/requests/r1`;
      if (method === "POST") {
        return {
          body: {
            request_id: "r1",
            status: "IN_QUEUE",
            status_url: `${url}/status`,
            response_url: url,
          },
        };
      }
      if (!path.includes("/status")) return { body: { images: ["x"] } };
      return { body: { ...(status().body as object), request_id: "r1", response_url: url } };
    });
    // The one way that this client has to send its requests elsewhere.
    const client = createFalClient({
      credentials: API_KEY,
      requestMiddleware: (request) =>
        Promise.resolve({ ...request, url: request.url.replace("https://queue.fal.run", baseURL) }),
    });
    const made = await client.queue.submit("fal-ai/flux", { input: {} });
    expect(made.request_id).toBe("r1");
    await ended("r1");
    const asked = await client.queue.status("fal-ai/flux", { requestId: "r1" });
    expect(asked.status).toBe("COMPLETED");
    const { data } = await client.queue.result("fal-ai/flux", { requestId: "r1" });
    expect(data).toEqual({ images: ["x"] });
    expect(keysOf(api.requests)).toEqual([`Key ${UPSTREAM_KEY}`]);
  });

  test("a Google API begins an operation by REST through the gateway, and is polled", async (context) => {
    const name = "projects/p/locations/l/operations/1";
    const status = after(2, { name, metadata: {} }, { name, done: true, response: { a: 1 } });
    const { api, ended, baseURL } = await open(context, "own-google-operation", ({ method }) =>
      method === "POST" ? { body: { name, metadata: {} } } : status(),
    );
    const headers = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" };
    const url = `${baseURL}/v1/projects/p/locations/l/recognizers/r:batchRecognize`;
    const made = await fetch(url, { method: "POST", headers, body: "{}" });
    expect(made.headers.get("ringback-job-id")).toBe(name);
    await ended(name);
    const done = await fetch(`${baseURL}/v1/${name}`, { headers });
    expect(await done.json()).toMatchObject({ done: true });
    expect(keysOf(api.requests)).toEqual([`Bearer ${UPSTREAM_KEY}`]);
  });

  test("Pulse takes its documented request with a file through the gateway", async (context) => {
    const { api, ended, baseURL } = await open(context, "pulse", ({ line }) =>
      line === "POST /extract"
        ? { status: 202, body: { job_id: "j1", status: "pending" } }
        : { body: { job_id: "j1", status: "completed", result: { markdown: "#" } } },
    );
    const form = new FormData();
    form.set("fileUrl", "https://example.com/a.pdf");
    form.set("async", "true");
    form.set("file", new Blob(["bytes"]), "a.pdf");
    const response = await fetch(`${baseURL}/extract`, {
      method: "POST",
      headers: { "x-api-key": API_KEY },
      body: form,
    });
    expect(response.headers.get("ringback-job-id")).toBe("j1");
    await ended("j1");
    expect(api.requests[0]?.headers["content-type"]).toContain("multipart/form-data; boundary=");
    expect(api.requests[0]?.body.toString()).toContain("https://example.com/a.pdf");
  });
});
