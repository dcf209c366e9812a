import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { FairSemaphore } from "../../src/lanes/shares/fair-semaphore.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { get, openClient, post, PROJECT, serveHttp, serveTcp } from "./local-servers.ts";

/** Answers everything. */
const answering = () => serveHttp((_, response) => response.end());

function turns(permitsMax: number, perProject: number): FairSemaphore {
  return new FairSemaphore({
    resource: "upstream_connections",
    permitsMax,
    permitsPerProjectMax: () => perProject,
    waitingPerProjectMax: Infinity,
  });
}

/** The requests and connections that undici begins during the test, as they come. */
function beginnings(): readonly string[] {
  const begun: string[] = [];
  const note = (_: unknown, name: string | symbol): void => void begun.push(String(name));
  for (const channel of ["undici:request:create", "undici:client:beforeConnect"]) {
    subscribe(channel, note);
    onTestFinished(() => void unsubscribe(channel, note));
  }
  return begun;
}

const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

describe("connections", () => {
  test("connections are kept alive and used again", async () => {
    const server = await serveHttp((_, response) => response.end());
    const client = openClient();
    for (let round = 0; round < 10; round++) await client.send(post(server.origin));
    expect(server.sockets).toHaveLength(1);
  });

  test("an idle connection is known by its project and origin, while nothing else uses it", async () => {
    const held: ServerResponse[] = [];
    const server = await serveHttp((_, response) => void held.push(response));
    const client = openClient();
    const isIdle = (projectId = PROJECT): boolean =>
      client.hasIdleConnection(projectId, server.origin);
    expect(isIdle()).toBe(false);
    const sent = client.send(post(server.origin));
    await vi.waitFor(() => expect(held).toHaveLength(1), { timeout: 60_000 });
    expect(isIdle()).toBe(false);
    held[0]?.end();
    await sent;
    expect([isIdle(), isIdle("another project")]).toEqual([true, false]);
  });

  test("connections never exceed the limit of an origin; the rest waits its turn", async () => {
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

  test("connections that the host closes after each answer are opened again", async () => {
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

  test("idle connections are closed, and then nothing of their origin is left", async () => {
    const server = await serveHttp((_, response) => response.end());
    const client = openClient({ keepAliveMs: 50 });
    await client.send(get(server.origin));
    expect(client.originCount).toBe(1);
    const [socket] = server.sockets;
    if (socket?.destroyed === false) await once(socket, "close");
    await vi.waitFor(() => expect(client.originCount).toBe(0), { timeout: 60_000 });
  });

  test("each project opens a few connections at a time, however long their peers take", async () => {
    let open = 0;
    let most = 0;
    // Takes connections, and never answers the first message of a TLS handshake.
    const silent = await Promise.all(
      Array.from({ length: 8 }, () =>
        serveTcp((socket) => {
          open += 1;
          most = Math.max(most, open);
          socket.on("close", () => (open -= 1)).resume();
        }),
      ),
    );
    const opening = turns(3, 2);
    const client = openClient({ opening });
    const hanging = silent.map(({ origin }) =>
      client.send(get(origin.replace("http:", "https:"), { timeoutMs: 1_500 })),
    );
    await vi.waitFor(() => expect(most).toBe(2), { timeout: 60_000 });
    const server = await answering();
    const other = await client.send(get(server.origin, { projectId: "other", timeoutMs: 60_000 }));
    expect(other).toMatchObject({ kind: "answered" });
    const codes = (await Promise.all(hanging)).map((outcome) =>
      outcome.kind === "failed" ? outcome.failure.code : outcome.kind,
    );
    // Those that waited for their turn were not sent, which is not their peers' fault.
    expect(new Set(codes)).toEqual(new Set(["connect_timeout", "connection_limit"]));
    expect(most).toBe(2);
    await vi.waitFor(() => expect(opening.heldBy(PROJECT)).toBe(0), { timeout: 60_000 });
    expect(opening.heldBy("other")).toBe(0);
  });

  test("idle connections give way, the project's own first, when no more may be opened", async () => {
    const first = await answering();
    const others = await Promise.all(Array.from({ length: 4 }, answering));
    const client = openClient({ connections: turns(4, 2), keepAliveMs: 60_000 });
    await client.send(get(first.origin, { projectId: "other" }));
    for (const server of others) {
      expect(await client.send(get(server.origin))).toMatchObject({ kind: "answered" });
    }
    expect(client.originCount).toBe(3);
    expect(first.sockets[0]?.destroyed).toBe(false);
    for (const server of others.slice(0, 2)) {
      const [socket] = server.sockets;
      if (socket?.destroyed === false) await once(socket, "close");
    }
  });

  test("idle connections give way to another project when all are used up", async () => {
    const third = await answering();
    const client = openClient({ connections: turns(2, 2), keepAliveMs: 60_000 });
    for (const { origin } of [await answering(), await answering()]) await client.send(get(origin));
    const outcome = await client.send(get(third.origin, { projectId: "other" }));
    expect(outcome).toMatchObject({ kind: "answered" });
    expect(client.originCount).toBe(2);
  });
});

describe("origins that hang", () => {
  /** Takes connections and never answers. */
  const hanging = () => serveTcp(() => undefined);

  test.each(["http", "https"])(
    "origins that hang hold no more connections than their project may have, and none of another's: %s",
    async (scheme) => {
      const servers = await Promise.all(Array.from({ length: 12 }, hanging));
      const connections = turns(100, 5);
      const client = openClient({ connections });
      const stuck = servers.map(({ origin }) =>
        client.send(get(origin.replace("http", scheme), { timeoutMs: 600_000 })),
      );
      const opened = () => servers.flatMap(({ sockets }) => sockets).length;
      await vi.waitFor(() => expect(opened()).toBe(5), { timeout: 60_000 });

      const healthy = await serveHttp((_, response) => response.end());
      const outcome = await client.send(get(healthy.origin, { projectId: "other" }));
      expect(outcome).toMatchObject({ kind: "answered" });
      expect(opened()).toBe(5);
      await client.close(0);
      for (const one of stuck) expect(await one).toMatchObject({ failure: { code: "aborted" } });
      await vi.waitFor(() => expect(connections.heldBy(PROJECT)).toBe(0), { timeout: 60_000 });
    },
  );

  test("the next free connection goes to the project that has the fewest", async () => {
    const servers = await Promise.all(Array.from({ length: 6 }, hanging));
    const client = openClient({ connections: turns(2, 2) });
    const [first, ...rest] = servers.map(({ origin }, index) =>
      client.send(get(origin, { timeoutMs: index === 0 ? 1_000 : 600_000 })),
    );
    const healthy = await serveHttp((_, response) => response.end());
    const outcome = client.send(get(healthy.origin, { projectId: "other", timeoutMs: 600_000 }));
    expect(await first).toMatchObject({ failure: { code: "response_timeout" } });
    expect(await outcome).toMatchObject({ kind: "answered" });
    await client.close(0);
    await Promise.all(rest);
  });

  test("requests that wait because of hanging origins of their project end as this side's fault", async () => {
    const first = await hanging();
    const second = await hanging();
    const client = openClient({ connections: turns(10, 1) });
    const stuck = client.send(get(first.origin, { timeoutMs: 600_000 }));
    expect(await client.send(get(second.origin, { timeoutMs: 200 }))).toMatchObject({
      failure: { code: "connection_limit", message: expect.stringContaining("as it may") },
    });
    expect(second.sockets).toHaveLength(0);
    await client.close(0);
    await stuck;
  });

  test("a request that gives up leaves no attempt to connect behind", async () => {
    const server = await hanging();
    const connections = turns(10, 10);
    const client = openClient({ connections, connectTimeoutMs: 600_000 });
    const origin = server.origin.replace("http:", "https:");
    await client.send(get(origin, { timeoutMs: 200 }));
    await vi.waitFor(() => expect(connections.heldBy(PROJECT)).toBe(0), { timeout: 60_000 });
    expect(client.originCount).toBe(0);
  });

  test("origins with silent name servers hold no socket, and are not the receiver's fault", async () => {
    const client = openClient({ lookup: () => new Promise(() => undefined) });
    const outcome = await client.send(get("https://receiver.test", { timeoutMs: 200 }));
    expect(outcome).toMatchObject({ failure: { code: "dns_failed" } });
  });

  test("names that do not exist, or lead where nothing may go, cost their lookup and nothing of undici", async () => {
    const begun = beginnings();
    const permits = turns(1000, 1000);
    const refused = openClient({
      connections: permits,
      lookup: () => Promise.resolve(["10.0.0.1"]),
    });
    const unknown = openClient({ connections: permits });
    for (let index = 0; index < 20; index += 1) {
      const origin = `https://host-${index}.invalid`;
      expect(await unknown.send(post(origin))).toMatchObject({
        failure: { code: "dns_not_found" },
      });
      expect(await refused.send(post(origin))).toMatchObject({
        failure: { code: "address_refused" },
      });
    }
    expect(begun).toEqual([]);
    await vi.waitFor(() => expect(permits.heldBy(PROJECT)).toBe(0), { timeout: 60_000 });
    expect([unknown.originCount, refused.originCount]).toEqual([0, 0]);
    // The channels report what is sent.
    const server = await answering();
    await unknown.send(post(server.origin));
    expect(begun).toEqual(["undici:request:create", "undici:client:beforeConnect"]);
  });

  test("a name that is found after its exchange has ended is not connected to", async () => {
    const begun = beginnings();
    const clock = new FakeClock();
    const permits = turns(1000, 1000);
    const found = Promise.withResolvers<readonly string[]>();
    const client = openClient({ clock, connections: permits, lookup: () => found.promise });
    const sent = client.send(get("https://receiver.test", { timeoutMs: 200 }));
    clock.advance(10_000);
    expect(await sent).toMatchObject({ failure: { code: "dns_failed" } });
    found.resolve(["127.0.0.1"]);
    await new Promise(setImmediate);
    expect(begun).toEqual([]);
    expect([permits.heldBy(PROJECT), client.originCount]).toEqual([0, 0]);
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

  test("a dead kept-alive connection costs a GET nothing: it is sent again on a new connection", async () => {
    const methods: string[] = [];
    const server = await forgetful(methods);
    const client = openClient();
    await client.send(get(server.origin));
    expect(await client.send(get(server.origin))).toMatchObject({ kind: "answered", status: 200 });
    expect(methods).toEqual(["GET", "GET", "GET"]);
    expect(server.sockets).toHaveLength(2);
  });

  test("a dead kept-alive connection fails a POST, which the host may have read", async () => {
    const methods: string[] = [];
    const server = await forgetful(methods);
    const client = openClient();
    await client.send(get(server.origin));
    expect(await client.send(post(server.origin))).toMatchObject({
      failure: { code: "connection_reset" },
    });
    expect(methods).toEqual(["GET", "POST"]);
  });

  test("a dead kept-alive connection costs a repeatable POST, such as a callback, nothing", async () => {
    const methods: string[] = [];
    const server = await forgetful(methods);
    const client = openClient();
    await client.send(get(server.origin));
    const outcome = await client.send(post(server.origin, { mayRepeat: true }));
    expect(outcome).toMatchObject({ kind: "answered", status: 200 });
    expect(methods).toEqual(["GET", "POST", "POST"]);
  });

  test("a dead kept-alive connection is replaced only once, and a new one is not", async () => {
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

  test("a request is not repeated once a part of the answer came", async () => {
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
  test("closing waits for requests in progress, refuses new ones, and closes every connection", async () => {
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

  test("closing aborts what does not finish in time, waiting requests included", async () => {
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

  test("closing twice is harmless", async () => {
    const client = openClient();
    await Promise.all([client.close(10), client.close(10)]);
    await client.close(10);
    expect(client.inFlightCount).toBe(0);
  });
});
