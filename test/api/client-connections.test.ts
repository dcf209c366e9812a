import { once } from "node:events";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { ClientConnections } from "../../src/api/client-connections.ts";
import { HttpServer } from "../../src/api/server.ts";
import { systemClock } from "../../src/runtime/clock.ts";

const ATTACKER = "192.0.2.1";
const NEIGHBOR = "192.0.2.2";

class FakeConnection {
  isOpen = true;
  readonly #connections: ClientConnections<FakeConnection>;

  constructor(connections: ClientConnections<FakeConnection>, address: string) {
    this.#connections = connections;
    connections.opened(this, address);
  }

  destroy(): void {
    this.isOpen = false;
    this.#connections.closed(this);
  }
}

function openOf(connectionsMax: number, connectionsPerAddressMax = connectionsMax) {
  const connections = new ClientConnections<FakeConnection>({
    connectionsMax,
    connectionsPerAddressMax,
  });
  const open = (address: string, count: number) =>
    Array.from({ length: count }, () => new FakeConnection(connections, address));
  return { connections, open };
}

const stillOpen = (all: readonly FakeConnection[]) => all.filter(({ isOpen }) => isOpen).length;

describe("three thousand idle connections", () => {
  test("an address with three thousand idle connections closes its own, while another address keeps its connections and opens new ones", () => {
    const { connections, open } = openOf(100);
    const before = open(NEIGHBOR, 10);
    const flood = open(ATTACKER, 3_000);
    const after = open(NEIGHBOR, 10);
    expect([stillOpen(before), stillOpen(after), stillOpen(flood)]).toEqual([10, 10, 80]);
    expect(connections.size).toBe(100);
  });

  test("three thousand idle connections through one proxy do not displace those in use", () => {
    const { connections, open } = openOf(100);
    const used = open(ATTACKER, 10);
    for (const connection of used) connections.began(connection);
    open(ATTACKER, 3_000);
    expect(stillOpen(used)).toBe(10);
  });

  test("a connection with two pipelined requests is in use until both have ended", () => {
    const { connections, open } = openOf(100);
    const [used] = open(ATTACKER, 1);
    if (used === undefined) throw new Error("none was opened");
    expect([connections.began(used), connections.began(used)]).toEqual([1, 2]);
    connections.ended(used);
    open(ATTACKER, 3_000);
    expect(used.isOpen).toBe(true);
    connections.ended(used);
    open(ATTACKER, 100);
    expect(used.isOpen).toBe(false);
  });

  test("connections from addresses of one IPv6 network count as those of one client", () => {
    const { open } = openOf(100);
    const before = open(NEIGHBOR, 10);
    for (let host = 1; host <= 300; host += 1) open(`2001:db8::${host.toString(16)}`, 1);
    expect(stillOpen(before)).toBe(10);
  });
});

test("requests that never end don't keep other clients out", () => {
  const { connections, open } = openOf(100);
  const slow = open(ATTACKER, 100);
  for (const connection of slow) connections.began(connection);
  expect(stillOpen(open(ATTACKER, 1))).toBe(0);
  expect(stillOpen(open(NEIGHBOR, 5))).toBe(5);
  expect(slow.findIndex(({ isOpen }) => isOpen)).toBe(5);
});

test("one address has no more than is set for one", () => {
  const { open } = openOf(100, 20);
  expect(stillOpen(open(ATTACKER, 50))).toBe(20);
});

test("the one that was used last is closed last", () => {
  const { connections, open } = openOf(3);
  const [first, second] = open(ATTACKER, 3);
  if (first === undefined || second === undefined) throw new Error("none");
  connections.began(first);
  connections.ended(first);
  open(ATTACKER, 1);
  expect([first.isOpen, second.isOpen]).toEqual([true, false]);
});

test("whatever happens, there are never too many, and all are counted", () => {
  const step = fc.record({
    address: fc.constantFrom("a", "b", "c"),
    does: fc.constantFrom("open", "open", "begin", "end", "close"),
    which: fc.nat(20),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { connections, open } = openOf(8, 6);
      const all: FakeConnection[] = [];
      for (const { address, does, which } of steps) {
        const one = all[which % Math.max(1, all.length)];
        if (does === "open") all.push(...open(address, 1));
        else if (does === "close") one?.destroy();
        else if (one !== undefined) connections[does === "begin" ? "began" : "ended"](one);
        expect(connections.size).toBe(stillOpen(all));
        expect(connections.size).toBeLessThanOrEqual(8);
      }
    }),
  );
});

describe("on the listener", () => {
  let server: HttpServer;
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await server.stop();
  });

  function open(localAddress: string): Socket {
    const socket = connect({ port: server.address.port, host: "127.0.0.1", localAddress });
    socket.on("error", () => undefined);
    sockets.push(socket);
    return socket;
  }

  async function get(socket: Socket): Promise<string> {
    socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    const [head] = await once(socket, "data");
    return String(head).split("\r\n")[0] ?? "";
  }

  test("another address is served while one opens as many connections as it can", async () => {
    server = new HttpServer(
      { clock: systemClock },
      {
        fetch: () => new Response("here"),
        host: "127.0.0.1",
        port: 0,
        stopTimeoutMs: 2_000,
        connections: { connectionsMax: 20, connectionsPerAddressMax: 20 },
      },
    );
    await server.start();
    const early = open("127.0.0.1");
    expect(await get(early)).toBe("HTTP/1.1 200 OK");
    const flood = Array.from({ length: 60 }, () => open("127.0.0.2"));
    // All but as many as may be are closed by the gateway.
    const closed = flood.map((socket) => once(socket, "close"));
    for (let count = 0; count < 41; count += 1) {
      const index = await Promise.race(closed.map((one, place) => one.then(() => place)));
      closed[index] = new Promise(() => undefined);
    }
    expect(await get(early)).toBe("HTTP/1.1 200 OK");
    expect(await get(open("127.0.0.1"))).toBe("HTTP/1.1 200 OK");
  });
});
