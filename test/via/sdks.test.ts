import Anthropic from "@anthropic-ai/sdk";
import {
  TextractClient,
  StartDocumentTextDetectionCommand,
  GetDocumentTextDetectionCommand,
} from "@aws-sdk/client-textract";
import createDocumentIntelligence, {
  getLongRunningPoller,
  isUnexpected,
} from "@azure-rest/ai-document-intelligence";
import { AssemblyAI } from "assemblyai";
import OpenAI from "openai";
import Replicate from "replicate";
import type { TestContext } from "vitest";
import { describe, expect, test } from "vitest";
import { awsTextract } from "../../src/providers/catalogue/aws-textract.ts";
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
const OWN_TEXTRACT = "own-textract";

/** A connection to a fake API whose job runs for `runs` polls, and then ends. */
async function open(
  context: TestContext,
  provider: string,
  answer: (request: ApiRequest, origin: string) => ApiReply,
  credential = UPSTREAM_KEY,
) {
  const scene = await openScene(context);
  if (provider === OWN_TEXTRACT) {
    // The built-in one goes to the hosts of AWS only.
    const { base_url, allowed_hosts, ...rest } = awsTextract;
    const definition = { ...rest, name: provider };
    const put = await scene.gateway.api("PUT", `/v1/providers/${provider}`, definition);
    expect([base_url, allowed_hosts, put.status]).not.toContain(422);
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

describe.concurrent("unmodified, through the gateway, the client of", () => {
  test("OpenAI makes a batch, and polls it", async (context) => {
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

  test("OpenAI makes a background response, and streams a chat that is no job", async (context) => {
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

  test("Anthropic makes a batch of messages, and polls it", async (context) => {
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

  test("Replicate makes a prediction, and waits for it", async (context) => {
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

  test("AssemblyAI submits a transcript, and waits for it", async (context) => {
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

  test("Azure analyzes a document, and follows Operation-Location", async (context) => {
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

  test("Textract starts a job, signed anew with the connection's key, and asks for it", async (context) => {
    const credential = "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const status = after(2, { JobStatus: "IN_PROGRESS" }, { JobStatus: "SUCCEEDED", Blocks: [] });
    const { api, ended, baseURL } = await open(
      context,
      OWN_TEXTRACT,
      ({ headers }) =>
        headers["x-amz-target"]?.includes("Start") === true
          ? { body: { JobId: "tx-1" } }
          : status(),
      credential,
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
    const secret = credential.split(":")[1] ?? "";
    const areSigned = api.requests.map(({ body, ...request }) =>
      isSignedWith(secret, { ...request, body: body.toString() }),
    );
    expect(new Set(areSigned)).toEqual(new Set([true]));
  });

  test("Pulse, by its documented request with a file in it", async (context) => {
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
