import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { mebibytes } from "./transfer-bytes.ts";
import { serveCommands } from "./worker-process.ts";

/** An upstream that takes and gives large bodies: `GET /bytes/<MiB>`, and `POST` anywhere. */

const commands = { listen };
export type TransferUpstreamCommands = typeof commands;

serveCommands(commands);

async function listen(): Promise<string> {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === "POST") {
    let received = 0;
    for await (const chunk of request) received += (chunk as Buffer).length;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ received }));
    return;
  }
  const count = Number(request.url?.split("/").at(-1));
  response.setHeader("content-type", "application/octet-stream");
  response.setHeader("content-length", count * 1024 * 1024);
  await pipeline(mebibytes(count), response);
}
