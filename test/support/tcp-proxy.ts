import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { listenOnKeptPort } from "./ports.ts";

/** A wire between a client and a server that a test can cut, or leave hanging half open. */
export interface TcpProxy {
  readonly port: number;
  /** Everything clients sent so far. */
  sent(): string;
  /** From now on nothing passes, and nothing is closed: what a dead network looks like. */
  freeze(): void;
  /** Lets new connections through again; those frozen stay so. */
  thaw(): void;
  /** The same for the connection that was opened first alone, both ways or on the way to its client. */
  freezeFirst(which: "all" | "answers"): void;
  /** Cuts every connection. */
  cut(): void;
  /** Cuts the connection of this place, from 0 to 1, among those that are open, with a FIN or an RST; false when there is none. */
  cutOne(place: number, how: "fin" | "rst"): boolean;
  close(): Promise<void>;
}

/** On a port that it may be given again, or on `port`. */
export async function startTcpProxy(
  target: { host: string; port: number },
  port?: number,
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  /** With the sockets to the target. */
  const clients = new Map<Socket, Socket>();
  const chunks: Buffer[] = [];
  let frozen = false;
  const server = createServer((client) => {
    const upstream = connect(target);
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    clients.set(client, upstream);
    client.once("close", () => clients.delete(client));
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.once("close", end);
      socket.on("error", end);
    }
    client.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
    client.pipe(upstream);
    upstream.pipe(client);
    if (frozen) hang(client, upstream);
  });
  const boundPort = port ?? (await listenOnKeptPort(server));
  if (port !== undefined) await once(server.listen(port, "127.0.0.1"), "listening");
  return {
    port: boundPort,
    sent: () => Buffer.concat(chunks).toString("latin1"),
    freeze() {
      frozen = true;
      hang(...sockets);
    },
    thaw: () => void (frozen = false),
    freezeFirst(which) {
      for (const [client, upstream] of [...clients].slice(0, 1)) {
        hang(upstream);
        if (which === "all") hang(client);
      }
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    cutOne(place, how) {
      const client = [...clients.keys()][Math.floor(place * clients.size)];
      if (how === "rst") client?.resetAndDestroy();
      else client?.destroy();
      return client !== undefined;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function hang(...sockets: readonly Socket[]): void {
  for (const socket of sockets) {
    socket.unpipe();
    socket.pause();
  }
}
