import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A server on loopback whose handler has the request and the response in its own hands. */
export class RawServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(
    handle: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
  ) {
    this.#server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (...exchange) => {
      void handle(...exchange);
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined);
    });
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", resolve);
    });
  }

  /** Cuts every connection. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
