import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { get, openClient, post, serveHttp, serveTcp } from "./local-servers.ts";

const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

describe("connections", () => {
  test("are kept alive and used again", async () => {
    const server = await serveHttp((_, response) => response.end());
    const client = openClient();
    for (let round = 0; round < 10; round++) await client.send(post(server.origin));
    expect(server.sockets).toHaveLength(1);
  });

  test("never exceed the limit of an origin; the rest waits its turn", async () => {
    const held: ServerResponse[] = [];
    let most = 0;
    const server = await serveHttp((_, response) => {
      held.push(response);
      most = Math.max(most, held.length);
      setImmediate(() => held.shift()?.end());
    });
    const client = openClient({ connectionsPerOriginMax: 3 });
    const requests = Array.from({ length: 50 }, () => client.send(get(server.origin)));
    const outcomes = await Promise.all(requests);
    expect(outcomes.filter(({ kind }) => kind === "answered")).toHaveLength(50);
    expect(server.sockets.length).toBeLessThanOrEqual(3);
    expect(most).toBeLessThanOrEqual(3);
  });

  test("that the host closes after each answer are opened anew", async () => {
    const server = await serveHttp((_, response) => {
      response.setHeader("connection", "close").end("ok");
    });
    const client = openClient({ connectionsPerOriginMax: 2 });
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => client.send(post(server.origin))),
    );
    expect(outcomes.every(({ kind }) => kind === "answered")).toBe(true);
    await vi.waitFor(() => expect(client.originCount).toBe(0), { timeout: 60_000 });
  });

  test("are closed when idle, and then nothing of their origin is left", async () => {
    const server = await serveHttp((_, response) => response.end());
    const client = openClient({ keepAliveMs: 50 });
    await client.send(get(server.origin));
    expect(client.originCount).toBe(1);
    const [socket] = server.sockets;
    if (socket?.destroyed === false) await once(socket, "close");
    await vi.waitFor(() => expect(client.originCount).toBe(0), { timeout: 60_000 });
  });

  test("of the oldest idle origin are closed when there are too many origins", async () => {
    const servers = await Promise.all(
      Array.from({ length: 5 }, () => serveHttp((_, response) => response.end())),
    );
    const client = openClient({ originsMax: 2, keepAliveMs: 60_000 });
    for (const server of servers) await client.send(get(server.origin));
    expect(client.originCount).toBe(2);
    for (const server of servers.slice(0, 3)) {
      const [socket] = server.sockets;
      if (socket?.destroyed === false) await once(socket, "close");
    }
    for (const server of servers) {
      expect(await client.send(get(server.origin))).toMatchObject({ kind: "answered" });
    }
  });

  test("of busy origins are not closed, however many there are", async () => {
    const held: ServerResponse[] = [];
    const servers = await Promise.all(
      Array.from({ length: 4 }, () => serveHttp((_, response) => held.push(response))),
    );
    const client = openClient({ originsMax: 2 });
    const requests = servers.map((server) => client.send(get(server.origin)));
    await vi.waitFor(() => expect(held).toHaveLength(4), { timeout: 60_000 });
    for (const response of held) response.end();
    for (const request of requests) expect(await request).toMatchObject({ kind: "answered" });
  });
});

describe("a kept-alive connection that the host gave up without a word", () => {
  /** Answers the first request of the first connection, resets it at the second; then is well. */
  const forgetful = (bodies: string[]) => {
    let connections = 0;
    return serveTcp((socket, count, chunk) => {
      if (count === 1) connections++;
      bodies.push(chunk.toString().split(" ", 1).join());
      if (connections === 1 && count === 2) socket.resetAndDestroy();
      else socket.write(ANSWER);
    });
  };

  test("costs a GET nothing: it is sent again on a new connection", async () => {
    const methods: string[] = [];
    const server = await forgetful(methods);
    const client = openClient();
    await client.send(get(server.origin));
    expect(await client.send(get(server.origin))).toMatchObject({ kind: "answered", status: 200 });
    expect(methods).toEqual(["GET", "GET", "GET"]);
    expect(server.sockets).toHaveLength(2);
  });

  test("fails a POST, which the host may have read", async () => {
    const methods: string[] = [];
    const server = await forgetful(methods);
    const client = openClient();
    await client.send(get(server.origin));
    expect(await client.send(post(server.origin))).toMatchObject({
      failure: { code: "connection_reset" },
    });
    expect(methods).toEqual(["GET", "POST"]);
  });

  test("costs a POST nothing that may be repeated, such as a callback", async () => {
    const methods: string[] = [];
    const server = await forgetful(methods);
    const client = openClient();
    await client.send(get(server.origin));
    const outcome = await client.send(post(server.origin, { mayRepeat: true }));
    expect(outcome).toMatchObject({ kind: "answered", status: 200 });
    expect(methods).toEqual(["GET", "POST", "POST"]);
  });

  test("is tried again once only, and not when it was new", async () => {
    const server = await serveTcp((socket, count) => {
      if (count === 1 && server.sockets.length === 1) socket.write(ANSWER);
      else socket.resetAndDestroy();
    });
    const client = openClient();
    await client.send(get(server.origin));
    const again = await client.send(get(server.origin));
    expect(again).toMatchObject({ failure: { code: "connection_reset" } });
    expect(server.sockets).toHaveLength(2);
  });

  test("is not tried again once a part of the answer came", async () => {
    const server = await serveTcp((socket, count) => {
      if (count === 1) socket.write(ANSWER);
      else socket.write("HTTP/1.1 2", () => socket.resetAndDestroy());
    });
    const client = openClient();
    await client.send(get(server.origin));
    expect(await client.send(get(server.origin))).toMatchObject({ kind: "failed" });
    expect(server.sockets).toHaveLength(1);
  });
});

describe("closing", () => {
  test("waits for what is in flight, refuses what is new, and closes every connection", async () => {
    const held: ServerResponse[] = [];
    const server = await serveHttp((_, response) => held.push(response));
    const client = openClient();
    const inFlight = client.send(post(server.origin));
    await vi.waitFor(() => expect(held).toHaveLength(1), { timeout: 60_000 });

    const closed = client.close(60_000);
    expect(await client.send(post(server.origin))).toMatchObject({ failure: { code: "aborted" } });
    held[0]?.end("done");

    expect(await inFlight).toMatchObject({ kind: "answered", body: Buffer.from("done") });
    await closed;
    const [socket] = server.sockets;
    if (socket?.destroyed === false) await once(socket, "close");
    expect(client.originCount).toBe(0);
  });

  test("aborts what does not finish in time, waiting requests included", async () => {
    const held: ServerResponse[] = [];
    const server = await serveHttp((_, response) => held.push(response));
    const client = openClient({ connectionsPerOriginMax: 1 });
    const requests = [client.send(post(server.origin)), client.send(post(server.origin))];
    await vi.waitFor(() => expect(held).toHaveLength(1), { timeout: 60_000 });
    await client.close(20);
    for (const request of requests) {
      expect(await request).toMatchObject({ failure: { code: "aborted" } });
    }
  });

  test("may be asked for twice", async () => {
    const client = openClient();
    await Promise.all([client.close(10), client.close(10)]);
    await client.close(10);
    expect(client.inFlightCount).toBe(0);
  });
});
