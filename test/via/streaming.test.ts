import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import type { TestContext } from "vitest";
import { describe, expect, test } from "vitest";
import { type Scene, useScenes } from "../end-to-end/scene.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { RawServer } from "../support/raw-server.ts";

const openScene = useScenes();
/** Gives up soon what does not move: for requests that are to be given up. */
const openHastyScene = useScenes({ RINGBACK_VIA_IDLE_TIMEOUT_MS: "1000" });
const MIB = 1024 * 1024;

/** A scene whose upstream does as the test says, and how to send it requests. */
async function open(
  context: TestContext,
  handle: ConstructorParameters<typeof RawServer>[0],
  from: typeof openScene = openScene,
) {
  const scene = await from(context);
  const server = new RawServer(handle);
  await server.open();
  context.onTestFinished(() => server.close());
  const connection = await scene.connect({ base_url: server.origin });
  return { scene, origin: server.origin, send: sender(scene, connection.id) };
}

function sender(scene: Scene, connection: string) {
  return (
    method: string,
    path: string,
    headers: Readonly<Record<string, string | number>> = {},
  ): ClientRequest =>
    httpRequest(`${scene.gateway.url}/via/${connection}${path}`, {
      method,
      agent: false,
      headers: { "x-api-key": API_KEY, ...headers },
    });
}

async function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

async function chunk(response: IncomingMessage): Promise<string> {
  const [bytes] = (await once(response, "data")) as [Buffer];
  return bytes.toString();
}

describe.concurrent("a request that is passed on", () => {
  test("a relayed request streams events to the client as they come, and its head before them", async (context) => {
    const gate = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const { send } = await open(context, async (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.flushHeaders();
      await gate.promise;
      response.write("data: 1\n\n");
      await second.promise;
      response.end("data: 2\n\n");
    });
    const request = send("GET", "/events");
    request.end();
    const response = await answerTo(request);
    expect(response.headers["content-type"]).toBe("text/event-stream");
    gate.resolve();
    expect(await chunk(response)).toBe("data: 1\n\n");
    second.resolve();
    expect(await text(response)).toBe("data: 2\n\n");
  });

  test("a relayed upload is streamed before it is complete", async (context) => {
    const began = Promise.withResolvers<string>();
    const { send } = await open(context, async (request, response) => {
      request.once("data", (bytes: Buffer) => began.resolve(bytes.toString()));
      response.end(String((await buffer(request)).length));
    });
    const request = send("PUT", "/upload");
    request.write("first");
    expect(await began.promise).toBe("first");
    request.end("second");
    expect(await text(await answerTo(request))).toBe("11");
  });

  test("a relayed request is read no faster than the upstream accepts it", async (context) => {
    const { send } = await open(context, (request) => void request.pause(), openHastyScene);
    const request = send("POST", "/upload", { "content-length": 256 * MIB });
    request.on("error", () => undefined);
    const piece = Buffer.alloc(MIB);
    let stopped = false;
    const push = (): void => {
      while (!stopped && request.write(piece));
      if (!stopped) request.once("drain", push);
    };
    push();
    // It is given up once nothing moves any more.
    const response = await answerTo(request);
    stopped = true;
    expect(response.statusCode).toBe(504);
    expect(request.socket?.bytesWritten).toBeLessThan(64 * MIB);
    request.destroy();
  });

  test("a relayed request that expects 100 sends its body only when the upstream asks for it", async (context) => {
    const { send } = await open(context, async (request, response) => {
      response.end(`${await text(request)} ${request.headers.expect}`);
    });
    const request = send("POST", "/upload", { expect: "100-continue", "content-length": 5 });
    request.flushHeaders();
    await once(request, "continue");
    request.end("hello");
    expect(await text(await answerTo(request))).toBe("hello undefined");
  });

  test("a relayed request is refused for its own faults before it has sent its body", async (context) => {
    const { send } = await open(context, () => expect.unreachable());
    const request = send("POST", "/upload", {
      expect: "100-continue",
      "content-length": 1_000_000,
      "ringback-callback-url": "ftp://x",
    });
    request.flushHeaders();
    request.on("continue", () => expect.unreachable());
    const response = await answerTo(request);
    expect(response.statusCode).toBe(422);
    request.destroy();
  });

  test("a relayed request gets trailers, several headers of one name, and the status text", async (context) => {
    const { send } = await open(context, (_, response) => {
      response.writeHead(
        207,
        "Very Multi",
        [
          ["Set-Cookie", "a=1"],
          ["Set-Cookie", "b=2"],
          ["X-Latin", "caf\u00e9"],
          ["Trailer", "X-Sum"],
        ].flat(),
      );
      response.write(Buffer.from("body"));
      response.addTrailers({ "X-Sum": "42" });
      response.end();
    });
    const request = send("GET", "/x");
    request.end();
    const response = await answerTo(request);
    expect([response.statusCode, response.statusMessage]).toEqual([207, "Very Multi"]);
    expect(response.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(response.headers["x-latin"]).toBe("caf\u00e9");
    expect(await text(response)).toBe("body");
    expect(response.trailers).toEqual({ "x-sum": "42" });
  });

  test("a relayed request passes on trailers, and none that holds a key", async (context) => {
    const { send } = await open(context, async (request, response) => {
      const body = await text(request);
      const { trailers, headers } = request;
      response.end(JSON.stringify({ body, trailers, announced: headers.trailer }));
    });
    const announced = "X-Sum, X-Key, Content-Length";
    for (const [body, trailer] of [
      ['{"a":1}', announced],
      ["x".repeat(MIB), announced],
      ['{"a":1}', undefined],
      ["x".repeat(MIB), undefined],
      ["", announced],
      ["", undefined],
    ] as const) {
      const request = send("POST", "/extract", {
        ...(trailer !== undefined && { trailer }),
        "content-type": "application/json",
        "transfer-encoding": "chunked",
      });
      request.write(body);
      request.addTrailers({ "X-Sum": "42", "X-Key": API_KEY, "Ringback-Events": "x", Host: "x" });
      request.end();
      expect(JSON.parse(await text(await answerTo(request)))).toEqual({
        body,
        trailers: { "x-sum": "42" },
        ...(trailer !== undefined && { announced: trailer }),
      });
    }
    // Nothing is made of a body in chunks that is empty and has no trailers.
    const empty = send("POST", "/extract", { "transfer-encoding": "chunked" });
    empty.end();
    expect(JSON.parse(await text(await answerTo(empty)))).toEqual({ body: "", trailers: {} });
    // Connections that carried trailers are used again like all others.
    const plain = send("POST", "/extract");
    plain.end("plain");
    expect(JSON.parse(await text(await answerTo(plain)))).toEqual({ body: "plain", trailers: {} });
  });

  test("a relayed request gets a compressed body as it was compressed", async (context) => {
    const packed = gzipSync('{"a":1}');
    const { send } = await open(context, (_, response) => {
      response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length });
      response.end(packed);
    });
    const request = send("GET", "/x", { "accept-encoding": "gzip" });
    request.end();
    const response = await answerTo(request);
    expect(response.headers["content-encoding"]).toBe("gzip");
    expect(await buffer(response)).toEqual(packed);
  });

  test("a relayed request may use any method except those that echo a credential", async (context) => {
    const { send } = await open(context, (request, response) => {
      response.writeHead(200, { "x-method": request.method ?? "", "content-length": "7" });
      response.end(request.method === "HEAD" ? "" : "7 bytes");
    });
    for (const method of ["HEAD", "OPTIONS", "DELETE", "PATCH", "PROPFIND"]) {
      const request = send(method, "/x");
      request.end();
      const response = await answerTo(request);
      expect(response.headers).toMatchObject({ "x-method": method, "content-length": "7" });
      expect((await text(response)).length).toBe(method === "HEAD" ? 0 : 7);
    }
    const trace = send("TRACE", "/x");
    trace.end();
    expect((await answerTo(trace)).statusCode).toBe(405);
  });

  test("a redirect is relayed to the client, not followed", async (context) => {
    const { send } = await open(context, (_, response) => {
      response.writeHead(307, { location: "https://elsewhere.example/x" }).end();
    });
    const request = send("POST", "/x");
    request.end();
    const response = await answerTo(request);
    expect(response.statusCode).toBe(307);
    expect(response.headers.location).toBe("https://elsewhere.example/x");
  });

  test("a relayed request can't be upgraded to another protocol", async (context) => {
    const { send } = await open(context, () => expect.unreachable());
    const request = send("GET", "/x", { connection: "upgrade", upgrade: "websocket" });
    request.end();
    const response = await answerTo(request);
    expect(response.statusCode).toBe(501);
    expect(JSON.parse(await text(response))).toMatchObject({ code: "upgrade_refused" });
  });

  test("a relayed request is aborted upstream when its client leaves", async (context) => {
    const cut = Promise.withResolvers<void>();
    const { send } = await open(context, (request, response) => {
      response.once("close", () => cut.resolve());
      response.write("data: 1\n\n");
      request.resume();
    });
    const request = send("GET", "/events");
    request.end();
    const response = await answerTo(request);
    await chunk(response);
    request.destroy();
    await expect(cut.promise).resolves.toBeUndefined();
  });

  test("a relayed request is given up when nothing moves, and the client is told", async (context) => {
    const { send } = await open(context, () => undefined, openHastyScene);
    const request = send("GET", "/x");
    request.end();
    const response = await answerTo(request);
    expect(response.statusCode).toBe(504);
    expect(JSON.parse(await text(response))).toMatchObject({ code: "upstream_timeout" });
  });

  test("a relayed answer that is cut off is cut off for the client too", async (context) => {
    const { send } = await open(context, (request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("part");
      setImmediate(() => request.socket.destroy());
    });
    const request = send("GET", "/x");
    request.end();
    const response = await answerTo(request);
    await expect(text(response)).rejects.toThrow("aborted");
  });

  test("a relayed request receives a refusal that comes before its body is sent", async (context) => {
    const { send } = await open(context, (_, response) => {
      response.writeHead(413).end("too large");
    });
    const request = send("POST", "/upload", { "content-length": 64 * MIB });
    request.on("error", () => undefined);
    request.write(Buffer.alloc(MIB));
    const response = await answerTo(request);
    expect(response.statusCode).toBe(413);
    expect(await text(response)).toBe("too large");
    request.destroy();
  });

  test("a client that closes its side before it is answered is taken to have gone", async (context) => {
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const { send } = await open(context, (_, response) => {
      response.once("close", () => gone.resolve());
      arrived.resolve();
    });
    const request = send("GET", "/x");
    request.on("error", () => undefined);
    request.end();
    await arrived.promise;
    request.socket?.end();
    expect(await gone.promise).toBeUndefined();
  });

  test("a relayed request has its own kind of connection upstream: no hop-by-hop header is passed on", async (context) => {
    const seen = Promise.withResolvers<IncomingMessage>();
    const { origin, send } = await open(context, (request, response) => {
      seen.resolve(request);
      response.writeHead(200, { "keep-alive": "timeout=5", "proxy-authenticate": "Basic" }).end();
    });
    const request = send("GET", "/x?q=1&ringback_callback_url=", {
      connection: "keep-alive, x-hop",
      "x-hop": "1",
      "x-stays": "1",
      te: "trailers",
      "proxy-authorization": "Basic eA==",
      cookie: "session=1",
      "x-forwarded-for": "10.0.0.1",
      "ringback-payload": "thin",
    });
    request.end();
    const response = await answerTo(request);
    expect(response.headers["proxy-authenticate"]).toBeUndefined();
    const { headers, url } = await seen.promise;
    expect(url).toBe("/x?q=1");
    expect(headers).toEqual({
      host: new URL(origin).host,
      connection: "keep-alive",
      "x-stays": "1",
      "x-api-key": "pulse-key-of-the-scene",
    });
  });

  test("a relayed request that could be read as two is refused", async (context) => {
    const { scene } = await open(context, () => expect.unreachable());
    const { port } = new URL(scene.gateway.url);
    const both =
      "POST /via/pulse/x HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nG";
    const twice =
      "POST /via/pulse/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab";
    const folded =
      "POST /via/pulse/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n";
    const odd =
      "POST /via/pulse/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n";
    const bare = "POST /via/pulse/x HTTP/1.1\nhost: a\nx: y\r\n\r\n";
    for (const raw of [both, twice, odd, folded, bare]) {
      const socket = connect(Number(port), "127.0.0.1");
      socket.write(raw);
      const answer = await text(socket);
      expect(answer.split("\r\n")[0]).toMatch(/ 4\d\d /);
    }
  });
});
