import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { Socket } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listen, type LocalServer, serveTcp } from "../outbound/local-servers.ts";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { unusedPort } from "../support/ports.ts";
import { type Scene, useScenes } from "./scene.ts";

/** Time enough on a busy machine for whatever a receiver sends at once. */
const TIMEOUT_MS = 4_000;

const openScene = useScenes({ RINGBACK_CALLBACK_TIMEOUT_MS: String(TIMEOUT_MS) });

/** The outcome of one attempt at this URL, with its delivery. */
async function attemptAt(scene: Scene, url: string): Promise<Json> {
  scene.upstream.answer(scene.jobId, pulseAnswer.completed());
  const { id } = await scene.subscribe({ callback_url: url, retry_schedule_s: [] });
  const { status, attempts } = await scene.delivery(id);
  expect(attempts).toHaveLength(1);
  return { ...attempts[0], status };
}

const HEAD = "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n";

/** Goes on writing until the connection is closed, so fast as the other side reads. */
function writeForEver(socket: Socket, chunk: string): void {
  const write = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", write);
  write();
}

describe("a receiver that", () => {
  test.for<[string, (socket: Socket) => void, object]>([
    [
      "accepts and never answers",
      () => undefined,
      { error_code: "response_timeout", http_status: null },
    ],
    [
      "fails, and sends headers without an end",
      (socket) => {
        socket.write("HTTP/1.1 500 No\r\n");
        writeForEver(socket, `x-filler: ${"x".repeat(1000)}\r\n`);
      },
      { error_code: "server_error_answer", http_status: 500 },
    ],
    [
      "closes the connection in the middle of its status line",
      (socket) => void socket.end("HTTP/1.1 20"),
      { error_code: "connection_reset", http_status: null },
    ],
    [
      "fails, and closes the connection in the middle of its answer",
      (socket) => void socket.end(`${HEAD.replace("200 OK", "500 No")}half`),
      { error_code: "server_error_answer", http_status: 500 },
    ],
    [
      "speaks something else",
      (socket) => void socket.write("SSH-2.0-OpenSSH_9.9\r\n"),
      { error_code: "invalid_response", http_status: null },
    ],
  ])(
    "a receiver that %s has failed, and the attempt says how",
    async ([, behave, expected], context) => {
      const scene = await openScene(context);
      const server = await serveTcp((socket) => behave(socket));
      expect(await attemptAt(scene, `${server.origin}/hook`)).toMatchObject({
        status: "exhausted",
        ...expected,
      });
    },
  );

  test.for<[string, (socket: Socket) => void]>([
    [
      "answers a byte now and then",
      (socket) => {
        socket.write(HEAD);
        const drip = setInterval(() => socket.write("."), 30);
        socket.on("close", () => clearInterval(drip));
      },
    ],
    [
      "resets the connection in the middle of its answer",
      (socket) => void socket.write(`${HEAD}half`, () => socket.resetAndDestroy()),
    ],
    [
      "closes the connection in the middle of its answer",
      (socket) => void socket.end(`${HEAD}half`),
    ],
    [
      "sends headers without an end",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\n");
        writeForEver(socket, `x-filler: ${"x".repeat(1000)}\r\n`);
      },
    ],
    [
      "closes the connection in the middle of its headers",
      (socket) => void socket.end("HTTP/1.1 200 OK\r\nx-fil"),
    ],
    [
      "frames its answer twice",
      (socket) =>
        void socket.write(
          "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
    ],
  ])(
    "a receiver that %s has accepted the callback, because it answered 200",
    async ([, behave], context) => {
      const scene = await openScene(context);
      const server = await serveTcp((socket) => behave(socket));
      expect(await attemptAt(scene, `${server.origin}/hook`)).toMatchObject({
        status: "delivered",
        http_status: 200,
        error_code: null,
      });
    },
  );

  test("a receiver that sends an endless body is cut off, and its status counts", async (context) => {
    const scene = await openScene(context);
    const server = await serveTcp((socket) => {
      socket.write(HEAD);
      writeForEver(socket, "x".repeat(1000));
    });
    const attempt = await attemptAt(scene, `${server.origin}/hook`);
    expect(attempt).toMatchObject({ status: "delivered", http_status: 200, error_code: null });
    expect(attempt.response_excerpt).toHaveLength(1024);
    await expect.poll(() => server.sockets.every((socket) => socket.destroyed)).toBe(true);
  });

  test("a receiver that is not there has refused the connection", async (context) => {
    const scene = await openScene(context);
    const url = `http://127.0.0.1:${await unusedPort()}/hook`;
    expect(await attemptAt(scene, url)).toMatchObject({ error_code: "connect_refused" });
  });
});

// The certificates and how they were made: test/outbound/fixtures/make-certificates.sh
function fixture(name: string): Buffer {
  return readFileSync(new URL(`../outbound/fixtures/${name}.pem`, import.meta.url));
}

const builtIn = getCACertificates("default");

function serveTls(certificate: string): Promise<LocalServer> {
  const pem = fixture(certificate);
  return listen(createServer({ key: pem, cert: pem }, (_, response) => response.end()));
}

describe("a receiver whose certificate", () => {
  beforeAll(() => setDefaultCACertificates([...builtIn, fixture("authority").toString()]));
  afterAll(() => setDefaultCACertificates(builtIn));

  test.for([
    ["has expired", "expired", "tls_certificate_expired"],
    ["is self-signed", "self-signed", "tls_certificate_self_signed"],
    ["is for another name", "valid", "tls_certificate_name_mismatch"],
  ] as const)("%s has failed, and the attempt says so", async ([, name, code], context) => {
    const scene = await openScene(context);
    const { port } = await serveTls(name);
    expect(await attemptAt(scene, `https://127.0.0.1:${port}/hook`)).toMatchObject({
      status: "exhausted",
      http_status: null,
      error_code: code,
    });
  });

  test("a receiver with an untrusted certificate has failed, and the attempt says so", async (context) => {
    const scene = await openScene(context);
    setDefaultCACertificates(builtIn);
    const { port } = await serveTls("valid");
    expect(await attemptAt(scene, `https://127.0.0.1:${port}/hook`)).toMatchObject({
      error_code: "tls_certificate_untrusted",
    });
  });

  test("a receiver that speaks no TLS has failed", async (context) => {
    const scene = await openScene(context);
    const { port } = await serveTcp((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    expect(await attemptAt(scene, `https://127.0.0.1:${port}/hook`)).toMatchObject({
      error_code: "tls_failed",
    });
  });
});
