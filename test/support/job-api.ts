import type { IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import type { TestContext } from "vitest";
import { RawServer } from "./raw-server.ts";
import { plainHeaders } from "./scripted-server.ts";

/** A request that came to a fake API, whole. */
export interface ApiRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

export interface ApiReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Names and values in turn, in place of `headers`. */
  readonly rawHeaders?: readonly string[];
  /** A text and bytes are sent as they are, anything else as JSON. */
  readonly body?: unknown;
}

export interface JobApi {
  readonly origin: string;
  readonly requests: readonly ApiRequest[];
}

/** A fake API of one test that answers whole requests. */
export async function openJobApi(
  context: TestContext,
  answer: (request: ApiRequest, origin: string) => ApiReply | Promise<ApiReply>,
): Promise<JobApi> {
  const requests: ApiRequest[] = [];
  const server = new RawServer((incoming, response) => {
    void (async () => {
      const request = await read(incoming);
      requests.push(request);
      const {
        status = 200,
        headers = {},
        rawHeaders,
        body = "",
      } = await answer(request, server.origin);
      const isPlain = typeof body === "string" || Buffer.isBuffer(body);
      const bytes = isPlain ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
      if (rawHeaders !== undefined) response.writeHead(status, [...rawHeaders]);
      else response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(bytes);
    })();
  });
  await server.open();
  context.onTestFinished(() => server.close());
  return { origin: server.origin, requests };
}

async function read(incoming: IncomingMessage): Promise<ApiRequest> {
  const { method = "", url: path = "", rawHeaders } = incoming;
  const body = await buffer(incoming);
  return {
    method,
    path,
    line: `${method} ${path}`,
    headers: plainHeaders(incoming),
    rawHeaders,
    body,
  };
}
