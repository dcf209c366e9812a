import type { Receiver } from "./create-receiver.ts";

/** A request of Node's `http`, Express, Vercel or Cloud Functions, as far as it is read. */
export interface NodeRequest extends AsyncIterable<unknown> {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Whether the stream was read to its end by somebody else. */
  readonly readableEnded?: boolean;
  /** `express.raw()` leaves the bytes here; anything that was parsed can't be verified. */
  readonly body?: unknown;
  /** Cloud Functions and some frameworks keep the bytes here. */
  readonly rawBody?: unknown;
}

export interface NodeResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(text?: string): unknown;
}

const BODY_WAS_PARSED =
  "The body was parsed before the receiver saw it, so its signature can't be verified. Put the receiver before " +
  'express.json(), or give its route express.raw({ type: "*/*" }); on Vercel and Next, switch the body parser off.';

type Body = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | string;

/** A receiver as `(request, response)`: for Node's `http`, Express, Vercel and Cloud Functions. */
export function nodeHandler(
  receive: Receiver,
): (request: NodeRequest, response: NodeResponse) => Promise<void> {
  return async (request, response) => {
    const body = bodyOf(request);
    const answer =
      body === null
        ? new Response(`${BODY_WAS_PARSED}\n`, { status: 500 })
        : await receive(requestOf(request, body));
    response.statusCode = answer.status;
    answer.headers.forEach((value, name) => response.setHeader(name, value));
    response.end(await answer.text());
  };
}

/** Null when it was parsed. The stream first: reading `body` would parse it on Vercel. */
function bodyOf(request: NodeRequest): Body | null {
  if (isBytes(request.rawBody)) return request.rawBody;
  if (request.readableEnded === false) return streamOf(request);
  const { body } = request;
  return isBytes(body) || typeof body === "string" ? body : null;
}

function isBytes(value: unknown): value is Uint8Array<ArrayBuffer> {
  return value instanceof Uint8Array;
}

function requestOf({ method = "GET", headers }: NodeRequest, body: Body): Request {
  const pairs = Object.entries(headers).map(([name, value = ""]): [string, string] => [
    name,
    typeof value === "string" ? value : value.join(", "),
  ]);
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request("http://receiver.invalid/", {
    method,
    headers: pairs,
    // A stream is sent as it is read.
    ...(hasBody && { body, duplex: "half" }),
  });
}

function streamOf(request: NodeRequest): ReadableStream<Uint8Array> {
  const chunks = request[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next: IteratorResult<unknown, unknown> = await chunks.next();
      if (next.done === true) controller.close();
      else controller.enqueue(bytesOf(next.value));
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}

/** A stream with an encoding gives text. */
function bytesOf(chunk: unknown): Uint8Array {
  return typeof chunk === "string" ? new TextEncoder().encode(chunk) : (chunk as Uint8Array);
}
