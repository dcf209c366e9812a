import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import type { TestContext } from "vitest";
import { describe, expect, test } from "vitest";
import { isSignedWith } from "../support/aws-signature.ts";
import { type Answer, plainHeaders, ScriptedServer } from "../support/scripted-server.ts";
import { type Scene, useScenes } from "./scene.ts";

const openScene = useScenes();

interface Asked {
  readonly method: string;
  readonly path: string;
  /** Method and path. */
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An API that answers each request line in turn, and a connection to it. */
async function openApi(
  context: TestContext,
  scene: Scene,
  of: { readonly provider: string; readonly credential?: string },
  script: (origin: string) => Readonly<Record<string, readonly Answer[]>>,
) {
  const asked: Asked[] = [];
  const server = new ScriptedServer(async (request: IncomingMessage) => {
    const { method = "", url: path = "" } = request;
    const line = `${method} ${path}`;
    asked.push({ method, path, line, headers: plainHeaders(request), body: await text(request) });
    const answers = script(server.origin)[line] ?? [{ status: 404 }];
    const number = asked.filter((one) => one.line === line).length;
    return answers[Math.min(number, answers.length) - 1] ?? {};
  });
  await server.open();
  context.onTestFinished(() => server.close());
  const { name } = await scene.connect({
    base_url: server.origin,
    credential: "key-of-the-api",
    ...of,
  });
  return { origin: server.origin, connection: name, asked };
}

describe.concurrent("an API of the catalogue", () => {
  test("a catalogue API whose results are files delivers the file as one text once it is available", async (context) => {
    const scene = await openScene(context);
    const lines = '{"custom_id":"1","n":1.0}\n{"custom_id":"2","n":12345678901234567890}\n';
    const batch = (status: string, more: object = {}): Answer => ({
      body: { id: "batch_1", status, created_at: 1714508499, ...more },
    });
    const { connection, asked } = await openApi(
      context,
      scene,
      { provider: "openai-batch" },
      () => ({
        "GET /v1/batches/batch_1": [
          batch("validating"),
          batch("in_progress"),
          batch("completed", { output_file_id: "file-1" }),
        ],
        "GET /v1/files/file-1/content": [
          { status: 500, body: { error: { message: "Try again." } } },
          { headers: { "content-type": "application/octet-stream" }, body: lines },
        ],
      }),
    );
    await scene.subscribe({ provider: "openai-batch", job_id: "batch_1", connection });
    const { event } = await scene.receiver.takeOne(scene.path);
    expect(event).toMatchObject({
      type: "job.completed",
      data: { provider: "openai-batch", created_at: "1714508499", result: lines },
    });
    expect(asked.map(({ line }) => line)).toEqual([
      ...Array(3).fill("GET /v1/batches/batch_1"),
      "GET /v1/files/file-1/content",
      "GET /v1/batches/batch_1",
      "GET /v1/files/file-1/content",
    ]);
    const keys = new Set(asked.map(({ headers }) => headers["authorization"]));
    expect(keys).toEqual(new Set(["Bearer key-of-the-api"]));
  });

  test("a catalogue API whose jobs have URLs of their own is polled there, and read where it says", async (context) => {
    const scene = await openScene(context);
    const queued = (origin: string, status: string, request: string) => ({
      body: { status, response_url: `${origin}/fal-ai/flux/requests/${request}` },
    });
    const { origin, connection, asked } = await openApi(
      context,
      scene,
      { provider: "fal" },
      (at) => ({
        "GET /fal-ai/flux/requests/1/status": [
          { status: 202, ...queued(at, "IN_QUEUE", "1") },
          { status: 202, ...queued(at, "IN_PROGRESS", "1") },
          queued(at, "COMPLETED", "1"),
        ],
        "GET /fal-ai/flux/requests/1": [{ body: { images: [], seed: 42 } }],
        "GET /fal-ai/flux/requests/2/status": [queued(at, "COMPLETED", "2")],
        "GET /fal-ai/flux/requests/2": [
          { status: 422, body: { detail: [{ msg: "field required" }] } },
        ],
      }),
    );
    const subscribe = (id: string) =>
      scene.subscribe({
        provider: "fal",
        job_id: id,
        connection,
        callback_url: scene.receiver.url(`${scene.path}/${id}`),
        params: { status_url: `${origin}/fal-ai/flux/requests/${id}/status` },
      });
    await subscribe("1");
    await subscribe("2");
    expect((await scene.receiver.takeOne(`${scene.path}/1`)).event).toMatchObject({
      type: "job.completed",
      data: { result: { images: [], seed: 42 } },
    });
    expect((await scene.receiver.takeOne(`${scene.path}/2`)).event).toMatchObject({
      type: "job.failed",
      data: { error: "field required" },
    });
    const keys = new Set(asked.map(({ headers }) => headers["authorization"]));
    expect(keys).toEqual(new Set(["Key key-of-the-api"]));
  });

  test("a catalogue API of AWS gets signed requests that never carry the secret", async (context) => {
    const scene = await openScene(context);
    const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    // The built-in one leads to AWS only; a copy under another name leads here.
    const { definition } = await scene.look("/v1/providers/aws-textract");
    const { name: _name, base_url: _url, allowed_hosts: _hosts, ...copied } = definition;
    const put = await scene.gateway.api("PUT", "/v1/providers/textract-here", copied);
    expect(put.status).toBe(201);
    const api = { provider: "textract-here", credential: `AKIAIOSFODNN7EXAMPLE:${secret}` };
    const done = { JobStatus: "PARTIAL_SUCCESS", Blocks: [{ Text: "Invoice" }] };
    const { connection, asked } = await openApi(context, scene, api, () => ({
      "POST /": [
        { body: { JobStatus: "IN_PROGRESS" } },
        { status: 400, body: { __type: "ThrottlingException", message: "Rate exceeded" } },
        { body: done },
      ],
    }));
    await scene.subscribe({ provider: "textract-here", job_id: 'a"b/ü', connection });
    expect((await scene.receiver.takeOne(scene.path)).event).toMatchObject({
      type: "job.completed",
      data: { job_id: 'a"b/ü', result: done },
    });
    expect(asked.map(({ body }) => body)).toEqual(Array(3).fill('{"JobId":"a\\"b/ü"}'));
    expect(asked[0]?.headers).toMatchObject({
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "Textract.GetDocumentAnalysis",
    });
    expect(asked.every((one) => isSignedWith(secret, one))).toBe(true);
    expect(asked.some((one) => isSignedWith(`${secret}x`, one))).toBe(false);
    expect(asked.some((one) => isSignedWith(secret, { ...one, body: "{}" }))).toBe(false);
    expect(JSON.stringify([asked, scene.gateway.logged])).not.toContain(secret);
  });

  test("a catalogue API with a single address needs only a credential", async (context) => {
    const scene = await openScene(context);
    const answer = await scene.gateway.api("POST", "/v1/connections", {
      provider: "aws-step-functions",
      name: `of-${scene.jobId}-aws`,
      credential: "not-of-the-form",
    });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer: "/credential" }] } });
    expect(answer.text).toContain("access_key_id:secret_access_key");
    const elsewhere = await scene.gateway.api("POST", "/v1/connections", {
      provider: "google-operation",
      name: `of-${scene.jobId}-google`,
      credential: "token",
    });
    expect(elsewhere.body.errors).toMatchObject([
      { pointer: "/base_url", detail: expect.stringContaining("*.googleapis.com") },
    ]);
  });
});
