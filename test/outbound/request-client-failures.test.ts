import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { type AddressLookup, NameLookupError } from "../../src/outbound/names/name-resolver.ts";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { unusedPort } from "../support/ports.ts";
import { get, openClient, post, serveHttp, serveTcp } from "./local-servers.ts";
import type { LocalServer } from "./local-servers.ts";

/** The client looks so often for requests whose time is over. */
const EXPIRY_TICK_MS = 100;

function codeOf(outcome: RequestOutcome): string {
  return outcome.kind === "failed" ? outcome.failure.code : `answered ${outcome.status}`;
}

/** A client's error code for a server that writes this and leaves the connection open. */
async function codeOfAnswer(answer: string): Promise<string> {
  const server = await serveTcp((socket) => socket.write(answer));
  return codeOf(await openClient().send(post(server.origin)));
}

describe("the answer", () => {
  test("connection_reset: the connection ends before the answer", async () => {
    const server = await serveTcp((socket) => socket.resetAndDestroy());
    expect(codeOf(await openClient().send(post(server.origin)))).toBe("connection_reset");
    expect(codeOf(await openClient().send(get(server.origin)))).toBe("connection_reset");
  });

  test("connection_reset: the connection ends in the middle of the body", async () => {
    const server = await serveTcp((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", () =>
        socket.resetAndDestroy(),
      );
    });
    expect(codeOf(await openClient().send(get(server.origin)))).toBe("connection_reset");
  });

  test("invalid_response: the answer is not HTTP", async () => {
    expect(await codeOfAnswer("SSH-2.0-OpenSSH_9.9\r\n")).toBe("invalid_response");
    expect(await codeOfAnswer("HTTP/1.1 200 OK\r\nbad header\r\n\r\n")).toBe("invalid_response");
    expect(await codeOfAnswer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")).toBe(
      "invalid_response",
    );
    expect(
      await codeOfAnswer("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"),
    ).toBe("invalid_response");
  });

  test("headers_too_large: endless headers end at the limit", async () => {
    const line = `x-filler: ${"x".repeat(1000)}\r\n`;
    expect(await codeOfAnswer(`HTTP/1.1 200 OK\r\n${line.repeat(100)}`)).toBe("headers_too_large");
  });
});

describe("time", () => {
  const expectInTime = (outcome: RequestOutcome, timeoutMs: number): void => {
    expect(outcome.durationMs).toBeGreaterThanOrEqual(timeoutMs);
    expect(outcome.durationMs).toBeLessThan(timeoutMs * 1.1 + EXPIRY_TICK_MS);
  };

  /** Sends a request whose time begins to pass only once the server has it. */
  async function timedOut(answer: (socket: Socket) => void): Promise<RequestOutcome> {
    const clock = new FakeClock();
    const arrived = Promise.withResolvers<void>();
    const server = await serveTcp((socket) => {
      answer(socket);
      arrived.resolve();
    });
    const outcome = openClient({ clock }).send(post(server.origin, { timeoutMs: 150 }));
    await arrived.promise;
    clock.advance(10_000);
    return outcome;
  }

  test("response_timeout: the receiver never answers", async () => {
    const outcome = await timedOut(() => undefined);
    expect(codeOf(outcome)).toBe("response_timeout");
    expectInTime(outcome, 150);
  });

  test("response_timeout: the limit covers the whole exchange, not each piece of a slow body", async () => {
    const outcome = await timedOut((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
      const drip = setInterval(() => socket.write("."), 20);
      socket.on("close", () => clearInterval(drip));
    });
    expect(codeOf(outcome)).toBe("response_timeout");
    expectInTime(outcome, 150);
  });

  test("dns_failed: the name server never answers", async () => {
    const lookup: AddressLookup = () => new Promise(() => undefined);
    const request = post("https://receiver.test", { timeoutMs: 150 });
    const clock = new FakeClock();
    const sent = openClient({ clock, lookup }).send(request);
    clock.advance(10_000);
    const outcome = await sent;
    expect(codeOf(outcome)).toBe("dns_failed");
    expectInTime(outcome, 150);
  });

  test("connect_timeout: the limit on connecting is shorter than that of the exchange", async () => {
    // Never answers the TLS handshake.
    const server = await serveTcp(() => undefined);
    const client = openClient({ connectTimeoutMs: 100 });
    const origin = server.origin.replace("http:", "https:");
    const outcome = await client.send(post(origin, { timeoutMs: 600_000 }));
    expect(codeOf(outcome)).toBe("connect_timeout");
  });

  test("connect_timeout: no connection became free, and the request is never sent", async () => {
    const clock = new FakeClock();
    const bodies: string[] = [];
    const server = await serveTcp((_, __, chunk) => bodies.push(chunk.toString()));
    const client = openClient({ clock, connectionsPerOriginMax: 1 });
    const first = client.send(post(server.origin, { timeoutMs: 600, path: "/first" }));
    const second = client.send(post(server.origin, { timeoutMs: 100, path: "/second" }));
    await expect.poll(() => bodies.join("")).toContain("/first");
    clock.advance(200);
    expect(codeOf(await second)).toBe("connect_timeout");
    clock.advance(500);
    expect(codeOf(await first)).toBe("response_timeout");
    expect(bodies.join("")).not.toContain("/second");
  });

  test("a timeout frees its connection for the next request", async () => {
    const clock = new FakeClock();
    const arrived = Promise.withResolvers<void>();
    const server = await serveHttp((request, response) => {
      if (request.url === "/fine") response.end("ok");
      else arrived.resolve();
    });
    const client = openClient({ clock, connectionsPerOriginMax: 1 });
    const stuck = client.send(get(server.origin, { timeoutMs: 100, path: "/stuck" }));
    const waiting = client.send(get(server.origin, { path: "/fine" }));
    await arrived.promise;
    clock.advance(200);
    expect(codeOf(await stuck)).toBe("response_timeout");
    expect(codeOf(await waiting)).toBe("answered 200");
  });
});

describe("connecting", () => {
  test("connect_refused: nothing listens at the address", async () => {
    const origin = `http://127.0.0.1:${await unusedPort()}`;
    expect(codeOf(await openClient().send(post(origin)))).toBe("connect_refused");
  });

  test("connect_refused: nothing listens at any address of the name", async () => {
    const lookup: AddressLookup = () => Promise.resolve(["127.0.0.1", "127.0.0.2"]);
    const origin = `http://receiver.test:${await unusedPort()}`;
    expect(codeOf(await openClient({ lookup }).send(post(origin)))).toBe("connect_refused");
  });

  test("the next address is tried when the first refuses", async () => {
    const server = await serveHttp((_, response) => response.end());
    const lookup: AddressLookup = () => Promise.resolve(["127.0.0.2", "127.0.0.1"]);
    const origin = `http://receiver.test:${server.port}`;
    expect(codeOf(await openClient({ lookup }).send(post(origin)))).toBe("answered 200");
  });

  test.each([
    ["not_found", "dns_not_found"],
    ["failed", "dns_failed"],
  ] as const)("a name that could not be resolved, %s, is %s", async (kind, code) => {
    const lookup: AddressLookup = () => Promise.reject(new NameLookupError(kind, "why"));
    const outcome = await openClient({ lookup }).send(post("https://receiver.test"));
    expect(outcome).toMatchObject({ failure: { code, message: "why" } });
  });

  test("dns_not_found: the name has no addresses", async () => {
    const lookup: AddressLookup = () => Promise.resolve([]);
    const outcome = await openClient({ lookup }).send(post("https://receiver.test"));
    expect(codeOf(outcome)).toBe("dns_not_found");
  });

  test("a failure to connect leaves nothing behind", async () => {
    const client = openClient();
    const origin = `http://127.0.0.1:${await unusedPort()}`;
    await Promise.all([client.send(post(origin)), client.send(post(origin))]);
    expect(client.originCount).toBe(0);
  });
});

describe("a request that can't be sent as it is", () => {
  const sent = async (changes: Parameters<typeof post>[1]): Promise<[string, LocalServer]> => {
    const server = await serveHttp((_, response) => response.end());
    return [codeOf(await openClient().send(post(server.origin, changes))), server];
  };

  test.each([
    [{ headers: { "x-a": "1\r\nx-injected: 2" } }],
    [{ headers: { "x-a": "1\nx-injected: 2" } }],
    [{ headers: { "x-a\r\nx-injected": "1" } }],
    [{ headers: { "x-a": "1\u0000" } }],
    [{ headers: { "x a": "1" } }],
    [{ headers: { "transfer-encoding": "chunked" } }],
    [{ path: "/a b" }],
    [{ path: "/a\r\nx-injected: 1" }],
    [{ path: "http://127.0.0.1/" }],
    [{ path: "" }],
  ])(
    "url_refused: the request can't be sent as it is, and nothing is sent: %j",
    async (changes) => {
      const [code, server] = await sent(changes);
      expect(code).toBe("url_refused");
      expect(server.sockets).toHaveLength(0);
    },
  );

  test.each(["", "receiver.test", "ftp://receiver.test", "//receiver.test"])(
    "url_refused: the origin %j",
    async (origin) => {
      expect(codeOf(await openClient().send(post(origin)))).toBe("url_refused");
    },
  );
});
