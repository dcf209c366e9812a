import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { onTestFinished } from "vitest";
import { type AddressGuard, createAddressGuard } from "../../src/outbound/guard/address-guard.ts";
import { FairSemaphore } from "../../src/lanes/shares/fair-semaphore.ts";
import { type Clock, systemClock } from "../../src/runtime/clock.ts";
import { NameLookupError } from "../../src/outbound/names/name-resolver.ts";
import { RequestClient } from "../../src/outbound/request-client.ts";
import type { RequestClientOptions } from "../../src/outbound/request-client.ts";
import type { OutboundRequest } from "../../src/outbound/exchange/request-outcome.ts";

/** A server of one test on the loopback interface; it and its connections end with the test. */
export interface LocalServer {
  readonly origin: string;
  readonly port: number;
  /** Connections accepted so far, open ones and closed ones. */
  readonly sockets: readonly Socket[];
}

/** Answers HTTP as Node does. */
export function serveHttp(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<LocalServer> {
  const options = { keepAliveTimeout: 60_000 };
  return listen(createHttpServer(options, (request, response) => void answer(request, response)));
}

/** Leaves every byte to the test; `onRequest` gets each chunk and how many came on this socket. */
export function serveTcp(
  onRequest: (socket: Socket, count: number, chunk: Buffer) => void,
): Promise<LocalServer> {
  const server = createTcpServer((socket) => {
    let count = 0;
    socket.on("data", (chunk: Buffer) => onRequest(socket, ++count, chunk));
  });
  return listen(server);
}

export async function listen(server: Server): Promise<LocalServer> {
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, port, sockets };
}

/** The project that requests of tests are sent for. */
export const PROJECT = "project-1";

const LOOPBACK = createAddressGuard({
  cidrs: [{ address: "127.0.0.0", prefixBits: 8 }],
  hostPorts: [],
});

/** A client that may reach the loopback interface, closed after the test. */
export function openClient({
  guard = LOOPBACK,
  clock = systemClock,
  ...options
}: Partial<RequestClientOptions> & {
  readonly guard?: AddressGuard;
  readonly clock?: Clock;
} = {}): RequestClient {
  const client = new RequestClient(
    { clock },
    {
      guardOf: () => guard,
      lookup: ({ host }) =>
        Promise.reject(new NameLookupError("not_found", `${host} does not exist`)),
      connectionsPerOriginMax: 4,
      connections: new FairSemaphore({
        resource: "upstream_connections",
        permitsMax: 1000,
        permitsPerProjectMax: () => 1000,
        waitingPerProjectMax: Infinity,
      }),
      opening: new FairSemaphore({
        resource: "upstream_connections_opening",
        permitsMax: 1000,
        permitsPerProjectMax: () => 1000,
        waitingPerProjectMax: Infinity,
      }),
      connectTimeoutMs: 5000,
      keepAliveMs: 4000,
      ...options,
    },
  );
  onTestFinished(() => client.close(0));
  return client;
}

export function get(origin: string, changes: Partial<OutboundRequest> = {}): OutboundRequest {
  return {
    projectId: PROJECT,
    method: "GET",
    origin,
    path: "/",
    headers: {},
    body: null,
    timeoutMs: 5000,
    responseBytesMax: 1024 * 1024,
    whenLarger: "fail",
    ...changes,
  };
}

export function post(origin: string, changes: Partial<OutboundRequest> = {}): OutboundRequest {
  return get(origin, { method: "POST", body: "{}", whenLarger: "truncate", ...changes });
}
