import { once } from "node:events";
import { createServer, type Server } from "node:net";

/*
 * Ports for servers that go away and come back, or begin to listen later. They are below those that the
 * system gives to a server that asks for any, so that no other one has them by then.
 */
const LOWEST = 12_000;

/** Test files that run at the same time have blocks of their own. */
const BLOCKS = 6;

const BLOCK_PORTS = 3_000;

const first =
  LOWEST + (Number(process.env["VITEST_POOL_ID"] ?? process.pid) % BLOCKS) * BLOCK_PORTS;

/** Files that come one after the other begin at other places, as does another run on this machine. */
let given = (process.pid * 61) % BLOCK_PORTS;

/** Has the server listen on loopback, on a port that stays its own when it is closed. */
export async function listenOnKeptPort(server: Server): Promise<number> {
  for (let tries = 0; tries < BLOCK_PORTS; tries += 1) {
    const port = first + given;
    given = (given + 1) % BLOCK_PORTS;
    if (await listensOn(server, port)) return port;
  }
  throw new Error(`None of the ports from ${first} to ${first + BLOCK_PORTS} is free.`);
}

/** False if the port has a server. */
async function listensOn(server: Server, port: number): Promise<boolean> {
  const listening = once(server, "listening");
  server.listen(port, "127.0.0.1");
  try {
    await listening;
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") return false;
    throw error;
  }
}

/** Ports that nothing listens on, for programs that a test starts or for nothing at all. */
export async function unusedPorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(servers.map((server) => listenOnKeptPort(server)));
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

export async function unusedPort(): Promise<number> {
  const [port] = await unusedPorts(1);
  if (port === undefined) throw new Error("unreachable");
  return port;
}
