import { once } from "node:events";
import { text } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { unusedPort } from "../support/ports.ts";
import { get, openClient, post, serveHttp, serveTcp } from "./local-servers.ts";

describe("an answer is handed over as it was sent", () => {
  test("method, path, headers and body arrive; status, headers and body come back", async () => {
    const server = await serveHttp(async (request, response) => {
      const body = await text(request);
      response.setHeader(
        "X-Seen",
        `${request.method} ${request.url} ${String(request.headers["x-tenant"])}`,
      );
      response.setHeader("Set-Cookie", ["a=1", "b=2"]);
      response.writeHead(418).end(body.toUpperCase());
    });
    const outcome = await openClient().send(
      post(server.origin, { path: "/hook?x=1", headers: { "X-Tenant": "acme" }, body: "hällo" }),
    );
    expect(outcome).toMatchObject({
      kind: "answered",
      status: 418,
      headers: { "x-seen": "POST /hook?x=1 acme", "set-cookie": ["a=1", "b=2"] },
      truncated: false,
    });
    expect(outcome.kind === "answered" && outcome.body.toString()).toBe("HÄLLO");
    expect(outcome.durationMs).toBeGreaterThan(0);
  });

  test("a request body may be a Buffer, and may be empty", async () => {
    const server = await serveHttp(async (request, response) => {
      response.setHeader("x-length", request.headers["content-length"] ?? "none");
      response.end(await text(request));
    });
    const client = openClient();
    const bytes = await client.send(post(server.origin, { body: Buffer.from("bytes") }));
    const empty = await client.send(post(server.origin, { body: null }));
    const removal = await client.send(get(server.origin, { method: "DELETE" }));
    expect(bytes).toMatchObject({ headers: { "x-length": "5" }, body: Buffer.from("bytes") });
    expect(empty).toMatchObject({ headers: { "x-length": "0" }, body: Buffer.alloc(0) });
    expect(removal).toMatchObject({ headers: { "x-length": "none" }, body: Buffer.alloc(0) });
  });

  test("a redirect is an answer and is not followed", async () => {
    const paths: (string | undefined)[] = [];
    const server = await serveHttp((request, response) => {
      paths.push(request.url);
      response.writeHead(301, { location: "/elsewhere" }).end();
    });
    const outcome = await openClient().send(post(server.origin));
    expect(outcome).toMatchObject({
      kind: "answered",
      status: 301,
      headers: { location: "/elsewhere" },
    });
    expect(paths).toEqual(["/"]);
  });

  test("a compressed body is not decompressed", async () => {
    const bomb = gzipSync(Buffer.alloc(1024 * 1024));
    const server = await serveHttp((_, response) => {
      response.setHeader("content-encoding", "gzip").end(bomb);
    });
    const outcome = await openClient().send(get(server.origin, { responseBytesMax: bomb.length }));
    expect(outcome).toMatchObject({ kind: "answered", truncated: false });
    expect(outcome.kind === "answered" && gunzipSync(outcome.body).length).toBe(1024 * 1024);
  });

  test("103 Early Hints is not taken for the answer", async () => {
    const server = await serveHttp((_, response) => {
      response.writeEarlyHints({ link: "</style.css>; rel=preload" });
      response.end("the answer");
    });
    const outcome = await openClient().send(get(server.origin));
    expect(outcome).toMatchObject({
      kind: "answered",
      status: 200,
      body: Buffer.from("the answer"),
    });
  });

  test("a body in many pieces comes back whole", async () => {
    const server = await serveHttp(async (_, response) => {
      for (let piece = 0; piece < 100; piece++) {
        if (!response.write(String(piece % 10).repeat(5000))) await once(response, "drain");
      }
      response.end();
    });
    const outcome = await openClient().send(get(server.origin));
    const expected = Array.from({ length: 100 }, (_, piece) => String(piece % 10).repeat(5000));
    expect(outcome.kind === "answered" && outcome.body.toString()).toBe(expected.join(""));
  });

  test.each([
    ["that says how large it is", { "content-length": 2_000_000 }],
    ["that does not", {}],
  ])("a large body %s comes back whole", async (_, headers) => {
    const expected = Buffer.from(Uint8Array.from({ length: 2_000_000 }, (__, at) => at % 251));
    const server = await serveHttp((__, response) =>
      response.writeHead(200, headers).end(expected),
    );
    const limits = { responseBytesMax: 2_000_000 };
    const outcome = await openClient().send(get(server.origin, limits));
    expect(outcome.kind === "answered" && outcome.body.equals(expected)).toBe(true);
  });

  test("an answer that announces the size of a body it does not bring has none", async () => {
    const server = await serveHttp((_, response) =>
      response.writeHead(304, { "content-length": 2_000_000 }).end(),
    );
    const limits = { responseBytesMax: 2_000_000 };
    const outcome = await openClient().send(get(server.origin, limits));
    expect(outcome).toMatchObject({ kind: "answered", status: 304, body: Buffer.alloc(0) });
  });

  test("a proxy in the environment is ignored", async () => {
    const server = await serveHttp((_, response) => response.end("direct"));
    const proxy = `http://127.0.0.1:${await unusedPort()}`;
    for (const name of ["HTTP_PROXY", "http_proxy", "ALL_PROXY"]) vi.stubEnv(name, proxy);
    vi.stubEnv("NODE_USE_ENV_PROXY", "1");
    const outcome = await openClient().send(get(server.origin));
    vi.unstubAllEnvs();
    expect(outcome).toMatchObject({ kind: "answered", body: Buffer.from("direct") });
  });
});

describe("a body above the limit", () => {
  const endless = () =>
    serveTcp((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
      const pour = (): void => {
        if (socket.destroyed) return;
        if (socket.write(`400\r\n${"x".repeat(1024)}\r\n`)) setImmediate(pour);
        else socket.once("drain", pour);
      };
      pour();
    });

  test("a body above the limit that never ends is cut off at the limit at once", async () => {
    const server = await endless();
    const request = post(server.origin, { responseBytesMax: 5000, timeoutMs: 60_000 });
    const outcome = await openClient().send(request);
    expect(outcome).toMatchObject({ kind: "answered", status: 200, truncated: true });
    expect(outcome.kind === "answered" && outcome.body.length).toBe(5000);
  });

  test("a body that stops at the limit without ending is not waited for", async () => {
    const server = await serveTcp((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`);
    });
    const request = post(server.origin, { responseBytesMax: 5, timeoutMs: 60_000 });
    const outcome = await openClient().send(request);
    expect(outcome).toMatchObject({ truncated: true, body: Buffer.from("hello") });
  });

  test("a body above the limit fails the exchange where truncation was not requested", async () => {
    const server = await endless();
    const outcome = await openClient().send(get(server.origin, { responseBytesMax: 5000 }));
    expect(outcome).toMatchObject({ kind: "failed", failure: { code: "body_too_large" } });
  });

  test("a body above the limit fails as soon as it is announced", async () => {
    const server = await serveTcp((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n");
    });
    const outcome = await openClient().send(get(server.origin, { timeoutMs: 60_000 }));
    expect(outcome).toMatchObject({ kind: "failed", failure: { code: "body_too_large" } });
  });

  test.each(["fail", "truncate"] as const)(
    "a body of exactly the limit is whole (%s)",
    async (whenLarger) => {
      const server = await serveHttp((_, response) => {
        response.setHeader("content-length", 5).end("hello");
      });
      const request = get(server.origin, { responseBytesMax: 5, whenLarger });
      const outcome = await openClient().send(request);
      expect(outcome).toMatchObject({ truncated: false, body: Buffer.from("hello") });
    },
  );

  test("a body above the limit leaves the client fit for the next exchange", async () => {
    const server = await serveHttp((_, response) => response.end("x".repeat(100_000)));
    const client = openClient({ connectionsPerOriginMax: 1 });
    for (let round = 0; round < 5; round++) {
      const cut = await client.send(post(server.origin, { responseBytesMax: 10 }));
      const whole = await client.send(post(server.origin, { responseBytesMax: 100_000 }));
      expect(cut).toMatchObject({ kind: "answered", truncated: true, body: { length: 10 } });
      expect(whole).toMatchObject({
        kind: "answered",
        truncated: false,
        body: { length: 100_000 },
      });
    }
  });
});
