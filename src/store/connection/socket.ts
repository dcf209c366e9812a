import { Socket } from "node:net";
import { AuthenticationGuard } from "./authentication-guard.ts";
import { type DatabaseTls, secured } from "./tls.ts";
import type { DatabaseServer } from "./database-url.ts";
import { ConnectionError } from "../db/errors.ts";

/** The driver takes the name for its messages from here. */
class DatabaseSocket extends Socket {
  readonly host: string;

  constructor(host: string) {
    super();
    this.host = host;
  }
}

/**
 * A connected socket, under TLS where the settings ask for it. Rejects with what Node says, or with
 * `CONNECT_TIMEOUT`. It has a listener for errors already: an event without one would end the process.
 */
export async function openSocket(
  server: DatabaseServer,
  tls: DatabaseTls,
  timeoutMs: number,
): Promise<Socket> {
  const socket = new DatabaseSocket(server.host);
  const tooLate = new ConnectionError("CONNECT_TIMEOUT", `no connection within ${timeoutMs} ms`);
  const timer = setTimeout(() => socket.destroy(tooLate), timeoutMs);
  try {
    await connected(socket, server);
    return guarded(await secured(socket, tls, server.host));
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function connected(socket: Socket, server: DatabaseServer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.on("error", reject);
    if (server.host.startsWith("/")) socket.connect(`${server.host}/.s.PGSQL.${server.port}`);
    else socket.connect(server.port, server.host);
  });
}

/** The same socket, which fails instead of passing on what the driver can't handle. */
function guarded(socket: Socket): Socket {
  const guard = new AuthenticationGuard();
  const pass = socket.emit.bind(socket) as (event: string, ...values: unknown[]) => boolean;
  const emit = (event: string, ...values: unknown[]): boolean => {
    const [chunk] = values;
    if (event === "data" && Buffer.isBuffer(chunk)) {
      try {
        guard.read(chunk);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
        return true;
      }
      // From here on the socket's own method, which costs nothing.
      if (guard.isOver) Reflect.deleteProperty(socket, "emit");
    }
    return pass(event, ...values);
  };
  Object.defineProperty(socket, "emit", { value: emit, configurable: true });
  return socket;
}
