import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import { BareConnection } from "./bare-connection.ts";
import { mebibytes } from "./transfer-bytes.ts";
import { serveCommands } from "./worker-process.ts";

/** An SDK's requests, to the gateway or to the proxy that it is compared with. */

interface Target {
  /** With the path that all requests are below. */
  readonly url: string;
  readonly apiKey: string;
}

interface SmallRequests extends Target {
  readonly connections: number;
  readonly durationMs: number;
}

interface Transfer extends Target {
  readonly mebibytes: number;
}

const BODY = JSON.stringify({ input: "https://example.com/invoice.pdf", pages: "1-3" });

const commands = { run, upload, download };
export type ViaLoadCommands = typeof commands;

serveCommands(commands);

/**
 * Submissions and status requests in turns, on connections that carry one request at a time.
 * @returns how many were answered
 */
async function run({ url, apiKey, connections, durationMs }: SmallRequests): Promise<number> {
  const { host, pathname } = new URL(url);
  const common = `host: ${host}\r\nx-api-key: ${apiKey}\r\naccept: application/json\r\n`;
  const requests = [
    `POST ${pathname}/extract HTTP/1.1\r\n${common}content-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`,
    `GET ${pathname}/job/bench-1 HTTP/1.1\r\n${common}\r\n`,
  ];
  const opened = await Promise.all(
    Array.from({ length: connections }, () => BareConnection.open(url)),
  );
  const endAt = performance.now() + durationMs;
  let answered = 0;
  try {
    await Promise.all(
      opened.map(async (connection) => {
        while (performance.now() < endAt) {
          for (const request of requests) {
            const { status, body } = await connection.exchange(request);
            if (status !== 200) throw new Error(`${status}: ${body.slice(0, 2000)}`);
            answered += 1;
          }
        }
      }),
    );
  } finally {
    for (const connection of opened) connection.close();
  }
  return answered;
}

/** @returns MiB */
async function upload({ url, apiKey, mebibytes: count }: Transfer): Promise<number> {
  const request = httpRequest(`${url}/upload`, {
    method: "POST",
    headers: {
      "x-api-key": apiKey,
      "content-type": "application/octet-stream",
      "content-length": count * 1024 * 1024,
    },
  });
  const answered = once(request, "response") as Promise<[IncomingMessage]>;
  await pipeline(mebibytes(count), request);
  const [response] = await answered;
  const text = (await response.toArray()).join("");
  if (text !== JSON.stringify({ received: count * 1024 * 1024 })) throw new Error(text);
  return count;
}

/** @returns MiB */
async function download({ url, apiKey, mebibytes: count }: Transfer): Promise<number> {
  const request = httpRequest(`${url}/bytes/${count}`, { headers: { "x-api-key": apiKey } });
  request.end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let received = 0;
  for await (const chunk of response) received += (chunk as Buffer).length;
  if (received !== count * 1024 * 1024) {
    throw new Error(`${response.statusCode}: ${received} bytes of ${count} MiB.`);
  }
  return count;
}
