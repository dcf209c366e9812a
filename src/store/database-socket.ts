import { Socket } from "node:net";
import type { DatabaseServer } from "./database-url.ts";
import { ConnectionError } from "./transient-error.ts";

/** The driver takes the name for SNI and for the check of the certificate from here. */
class DatabaseSocket extends Socket {
  readonly host: string;

  constructor(host: string) {
    super();
    this.host = host;
  }
}

/**
 * A connected socket. Rejects with what Node says, or with `CONNECT_TIMEOUT`. It has a listener for
 * errors already: an event without one would end the process.
 */
export function openSocket(server: DatabaseServer, timeoutMs: number): Promise<Socket> {
  const socket = new DatabaseSocket(server.host);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new ConnectionError("CONNECT_TIMEOUT", `no connection within ${timeoutMs} ms`));
    }, timeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    if (server.host.startsWith("/")) socket.connect(`${server.host}/.s.PGSQL.${server.port}`);
    else socket.connect(server.port, server.host);
  });
}
