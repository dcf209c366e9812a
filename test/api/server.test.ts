import { connect } from "node:net";
import type { Socket } from "node:net";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { Agent, request } from "node:http";
import { Hono } from "hono";
import { afterEach, describe, expect, it, vi } from "vitest";
import { HttpServer } from "../../src/api/server.ts";
import { readJsonBody } from "../../src/api/request/request-body.ts";
import { problemAnswer } from "../../src/api/http/problem.ts";
import { systemClock } from "../../src/runtime/clock.ts";

const BYTES_MAX = 1024;

let server: HttpServer;
afterEach(() => server.stop());

/** Serves a body reader at /body, and at /wait an answer that comes when it is let go. */
async function serve(
  options: { host?: string; requestTimeoutMs?: number; stopTimeoutMs?: number } = {},
) {
  const waiting = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const read = Promise.withResolvers<string>();
  const app = new Hono();
  app.post("/body", async (context) => {
    const body = await readJsonBody(context.req.raw, BYTES_MAX);
    const answer = body.ok ? null : problemAnswer(body.problem, "r1");
    read.resolve(body.ok ? "ok" : body.problem.code);
    return answer === null
      ? context.text("ok")
      : new Response(String(answer.body), { status: answer.status, headers: answer.headers });
  });
  app.get("/wait", async (context) => {
    arrived.resolve();
    await waiting.promise;
    return context.text("waited");
  });
  server = new HttpServer(
    { clock: systemClock },
    {
      fetch: app.fetch,
      host: "127.0.0.1",
      port: 0,
      stopTimeoutMs: 2_000,
      connections: { connectionsMax: 100, connectionsPerAddressMax: 100 },
      ...options,
    },
  );
  await server.start();
  return { arrived: arrived.promise, letGo: waiting.resolve, read: read.promise };
}

function open(): Socket {
  return connect(server.address.port, "127.0.0.1");
}

async function exchange(...parts: string[]): Promise<string> {
  const socket = open();
  for (const part of parts) socket.write(part);
  return text(socket);
}

function head(...headers: string[]): string {
  return ["POST /body HTTP/1.1", "host: localhost", "connection: close", ...headers, "", ""].join(
    "\r\n",
  );
}

const JSON_TYPE = "content-type: application/json";

describe("every answer tells a browser to take it for nothing else", () => {
  it.each([
    ["that was made for a request", ["GET /nowhere HTTP/1.1", "host: a", "connection: close"]],
    ["to a Host that is none", ["GET / HTTP/1.1", "host: a b", "connection: close"]],
    ["to what is no HTTP", ["HELLO"]],
    ["to headers that are too large", ["GET / HTTP/1.1", `x: ${"x".repeat(20_000)}`]],
    ["to a proxy's request", ["CONNECT a:443 HTTP/1.1", "host: a:443"]],
  ])(
    "every answer, one %s among them, tells browsers not to interpret it as another type",
    async (_, lines) => {
      await serve();
      const answer = await exchange([...lines, "", ""].join("\r\n"));
      expect(answer).toMatch(/^HTTP\/1\.1 4/);
      const [headers = ""] = answer.split("\r\n\r\n");
      expect(headers.match(/^x-content-type-options: nosniff$/gim)).toHaveLength(1);
      expect(headers.match(/^referrer-policy: no-referrer$/gim)).toHaveLength(1);
    },
  );
});

describe("a body", () => {
  it("a body is read whole, whether its length is stated or it comes in chunks", async () => {
    await serve();
    expect(await exchange(head(JSON_TYPE, "content-length: 2"), "{}")).toContain("200 OK");
    expect(
      await exchange(
        head(JSON_TYPE, "transfer-encoding: chunked"),
        "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
      ),
    ).toContain("200 OK");
  });

  it("a body is refused by its stated length before it is read", async () => {
    await serve();
    const answer = await exchange(head(JSON_TYPE, `content-length: ${BYTES_MAX + 1}`), "{");
    expect(answer).toContain("413 Payload Too Large");
    expect(answer).toContain('"code":"body_too_large"');
  });

  it("a body is refused as soon as its chunks are too many", async () => {
    await serve();
    const chunk = `400\r\n${" ".repeat(1024)}\r\n`;
    const answer = await exchange(head(JSON_TYPE, "transfer-encoding: chunked"), chunk, chunk);
    expect(answer).toContain("413 Payload Too Large");
  });

  it("that ends early is told apart from one that is malformed", async () => {
    const { read } = await serve();
    const socket = open();
    socket.write(`${head(JSON_TYPE, "content-length: 10")}{`);
    await once(socket, "connect");
    socket.end();
    expect(await read).toBe("incomplete_body");
    socket.destroy();
  });

  it("that comes with its head needs no timer", async () => {
    const requestTimeoutMs = 12_345;
    await serve({ requestTimeoutMs });
    const timers = vi.spyOn(globalThis, "setTimeout");
    await exchange(`${head(JSON_TYPE, "content-length: 2")}{}`);
    expect(timers.mock.calls.filter(([, ms]) => ms === requestTimeoutMs)).toEqual([]);
    timers.mockRestore();
  });

  it("that comes too slowly is answered 408", async () => {
    await serve({ requestTimeoutMs: 100 });
    const answer = await exchange(head(JSON_TYPE, "content-length: 10"), "{");
    expect(answer).toContain("408 ");
    expect(answer).toContain('"code":"request_timeout"');
  });
});

describe("invalid requests", () => {
  it.each([
    ["garbage", "hello\r\n\r\n", "malformed_request"],
    ["no host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n", "malformed_request"],
    [
      "two hosts",
      "GET / HTTP/1.1\r\nhost: localhost\r\nHost: localhost\r\nconnection: close\r\n\r\n",
      "malformed_request",
    ],
    ["two hosts in HTTP/1.0", "GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", "malformed_request"],
    ...["", "a,b", "a/b", "a@b", "a:b", "a:99999", "[::1", "http://a", "a#b", "a?b"].map(
      (host): [string, string, string] => [
        `the host ${JSON.stringify(host)}`,
        `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
        "malformed_request",
      ],
    ),
    [
      "a host that is none",
      "GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n",
      "malformed_request",
    ],
    [
      "headers without end",
      `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
      "headers_too_large",
    ],
    [
      "two lengths",
      "POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
      "malformed_request",
    ],
    [
      "CONNECT",
      "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n",
      "malformed_request",
    ],
  ])("%s, which is not a valid request, is answered with a problem", async (_name, sent, code) => {
    await serve();
    const answer = await exchange(sent);
    expect(answer).toMatch(/^HTTP\/1\.1 4/);
    expect(answer.toLowerCase()).toContain("content-type: application/problem+json");
    expect(answer).toContain(`"code":"${code}"`);
  });
});

it("a client that resets its connection while it is refused harms nothing", async () => {
  await serve();
  for (let client = 0; client < 30; client += 1) {
    const socket = open();
    await once(socket, "connect");
    socket.write("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n");
    if (client % 2 === 0) await once(socket, "data");
    socket.resetAndDestroy();
  }
  expect(await exchange("GET /nowhere HTTP/1.0\r\n\r\n")).toContain("404 Not Found");
});

it("a client that was refused and does not close is cut off, so that the server can stop", async () => {
  await serve();
  const socket = connect({ ...server.address, allowHalfOpen: true });
  socket.write("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n");
  expect(await text(socket)).toContain("malformed_request");
  await server.stop();
  socket.destroy();
});

describe("unusual requests that are accepted:", () => {
  it("a request of HTTP/1.0 needs no host", async () => {
    await serve();
    expect(await exchange("GET /nowhere HTTP/1.0\r\n\r\n")).toContain("404 Not Found");
  });

  it("a request with an unknown expectation is answered as usual", async () => {
    await serve();
    const answer = await exchange(head(JSON_TYPE, "expect: miracles", "content-length: 2"), "{}");
    expect(answer).toContain("200 OK");
  });
});

describe("stop", () => {
  it("lets a request in flight end, and closes the connections kept alive", async () => {
    const { arrived, letGo } = await serve();
    const agent = new Agent({ keepAlive: true });
    const asked = request({ port: server.address.port, path: "/wait", agent });
    asked.end();
    await arrived;
    const stopped = server.stop();
    await expect(once(open(), "connect")).rejects.toThrow("ECONNREFUSED");
    letGo();
    const [response] = await once(asked, "response");
    expect(await text(response)).toBe("waited");
    await stopped;
    agent.destroy();
  });

  it("cuts off what does not end in time", async () => {
    const { arrived } = await serve({ stopTimeoutMs: 50 });
    const socket = open();
    socket.write("GET /wait HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await arrived;
    await server.stop();
    socket.resume();
    await once(socket, "close");
    expect(socket.destroyed).toBe(true);
  });

  it("a stop may come more than once", async () => {
    await serve();
    await expect(Promise.all([server.stop(), server.stop()])).resolves.toHaveLength(2);
  });
});

it("says that the host is not this machine's where it can't listen on it", async () => {
  // An address of TEST-NET-1, which no machine has.
  await expect(serve({ host: "192.0.2.1" })).rejects.toThrow(
    /^can't listen on 192\.0\.2\.1:0 \(.*EADDRNOTAVAIL.*\)\. Choose a HOST that is an address/,
  );
});

describe("pipelined requests", () => {
  const pipelined = (path: string, count: number) =>
    `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`.repeat(count);

  it("a connection with four hundred pipelined requests has sixteen answered, is told why, and is closed", async () => {
    const { letGo } = await serve();
    const socket = open();
    socket.write(pipelined("/wait", 400));
    letGo();
    const answers = (await text(socket)).split(/(?=HTTP\/1\.1 )/);
    expect(answers).toHaveLength(17);
    expect(answers.slice(0, 16).every((answer) => answer.endsWith("waited"))).toBe(true);
    const refusal = answers.at(-1)?.toLowerCase() ?? "";
    expect(refusal).toContain("http/1.1 429");
    expect(refusal).toContain("connection: close");
    expect(refusal).toContain("wait for answers before sending more");
  });

  it("a few pipelined requests are answered, and the connection is kept for more", async () => {
    const { letGo } = await serve();
    letGo();
    const socket = open();
    let answered = 0;
    for (let round = 0; round < 3; round += 1) {
      let received = "";
      socket.write(pipelined("/wait", 16));
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
        received += String(chunk);
        if (received.split("waited").length === 17) break;
      }
      answered += received.split(" 200 OK").length - 1;
    }
    socket.destroy();
    expect(answered).toBe(48);
  });
});
