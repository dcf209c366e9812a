import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent } from "undici";
import { serveCommands } from "./worker-process.ts";

/** The least that passing a request on costs: node:http in front of undici, nothing checked or counted. */

const NOT_PASSED_ON = new Set(["connection", "host", "keep-alive", "transfer-encoding"]);

const commands = { listen };
export type BareProxyCommands = typeof commands;

serveCommands(commands);

async function listen({
  origin,
  connections,
}: {
  readonly origin: string;
  readonly connections: number;
}): Promise<string> {
  const agent = new Agent({ connections, pipelining: 1 });
  const server = createServer((request, response) => {
    passOn(agent, origin, request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function passOn(
  agent: Agent,
  origin: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "GET", url: path = "/" } = request;
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => !NOT_PASSED_ON.has(name)),
  );
  const body = method === "GET" ? null : request;
  await agent.stream({ origin, path, method, headers, body }, (answer) => {
    const passedOn = Object.entries(answer.headers).filter(([name]) => !NOT_PASSED_ON.has(name));
    response.writeHead(answer.statusCode, Object.fromEntries(passedOn));
    return response;
  });
}
