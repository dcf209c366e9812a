import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import type { RequestFailure, RequestFailureCode } from "../../core/request-failure.ts";
import { failureFromError } from "./failure-from-error.ts";
import { NO_SLOT } from "../../runtime/slot-set.ts";
import type { Connection } from "../connection.ts";
import type { ExchangeOwner, PooledExchange } from "./pooled-exchange.ts";
import type { ResponseHeaders } from "./request-outcome.ts";

/** A request that is forwarded as it arrives, with its body as a stream. */
export interface RelayedRequest {
  readonly projectId: string;
  readonly isTrusted: boolean;
  readonly method: string;
  readonly origin: string;
  /** Path and query; starts with `/`. */
  readonly path: string;
  /** Names and values alternating, in the order they are sent. No hop-by-hop headers. */
  readonly headers: string[];
  readonly body: Readable | Buffer | null;
  /** Those that follow a body in chunks, called at its end: names and values alternating. */
  readonly trailers: (() => readonly string[]) | null;
  /** Covers waiting for a connection and connecting. */
  readonly connectTimeoutMs: number;
  /** Limit on the time without a byte in either direction. */
  readonly idleTimeoutMs: number;
  /**
   * Bytes that have passed between the client and this process. A change counts as progress, so
   * large bodies keep an exchange alive for any time.
   */
  progress(): number;
}

/** The head of a response. */
export interface RelayedHead {
  readonly status: number;
  readonly statusText: string;
  /** Names in lower case. */
  readonly headers: ResponseHeaders;
  /** Names and values alternating, as received, decoded as Latin-1 so that no byte is lost. */
  readonly rawHeaders: readonly string[];
}

/** Receives a response as it arrives. After `end` or `failed` nothing more is called. */
export interface RelayReader {
  /** The request was sent. */
  sent(): void;
  head(head: RelayedHead): void;
  /** Returns false to pause the sender until `resume` of the exchange. */
  data(chunk: Buffer): boolean;
  /** @param rawTrailers names and values alternating */
  end(rawTrailers: readonly string[]): void;
  failed(failure: RequestFailure): void;
}

/**
 * One request and its response, both streamed, as undici's handler. It ends exactly once. Unlike a
 * kept exchange it has no total time limit, since streams may last for hours, but ends when nothing
 * has moved for a while.
 */
export class RelayedExchange implements PooledExchange {
  slot = NO_SLOT;
  connection: Connection | null = null;
  readonly request: Dispatcher.DispatchOptions;
  deadlineMs: number;
  readonly #facts: RelayedRequest;
  readonly #reader: RelayReader;
  readonly #owner: ExchangeOwner;
  #state: "connecting" | "sent" | "answering" | "ended" = "connecting";
  #controller: Dispatcher.DispatchController | null = null;
  #bytesSeen = 0;
  #bytesAnswered = 0;

  constructor(request: RelayedRequest, reader: RelayReader, owner: ExchangeOwner) {
    const { method, origin, path, headers, body, connectTimeoutMs } = request;
    this.request = { method, origin, path, headers, body };
    this.#facts = request;
    this.#reader = reader;
    this.#owner = owner;
    this.deadlineMs = owner.monotonic() + connectTimeoutMs;
  }

  /** Resumes reading after `data` has returned false. */
  resume(): void {
    if (this.#state !== "ended") this.#controller?.resume();
  }

  /** Aborts the exchange because its client is gone. */
  abort(): void {
    this.#end(false);
  }

  expire(): void {
    const { connectTimeoutMs, idleTimeoutMs } = this.#facts;
    if (this.#state !== "connecting") {
      return this.fail("response_timeout", `Nothing has moved for ${idleTimeoutMs} ms`);
    }
    switch (this.#owner.waitsFor(this)) {
      case "turn":
        return this.fail(
          "connection_limit",
          `The project has as many connections open as it may, and none became free within ${connectTimeoutMs} ms`,
        );
      case "name":
        return this.fail(
          "dns_failed",
          `The host name was not resolved within ${connectTimeoutMs} ms`,
        );
      case "peer":
        return this.fail("connect_timeout", `No connection within ${connectTimeoutMs} ms`);
    }
  }

  /** Extends the deadline while anything moves. */
  check(nowMs: number): void {
    if (this.#state === "connecting") return;
    const bytes = this.#facts.progress() + this.#bytesAnswered;
    if (bytes === this.#bytesSeen) return;
    this.#bytesSeen = bytes;
    this.deadlineMs = nowMs + this.#facts.idleTimeoutMs;
  }

  fail(code: RequestFailureCode, message: string): void {
    if (this.#end(false)) this.#reader.failed({ code, message });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#state === "ended") return controller.abort(new Error("the client is gone"));
    this.#controller = controller;
    this.#state = "sent";
    this.deadlineMs = this.#owner.monotonic() + this.#facts.idleTimeoutMs;
    const { trailers } = this.#facts;
    const socket = trailers === null ? null : (this.connection?.socket ?? null);
    if (trailers !== null && socket !== null) endBodyWith(socket, trailers);
    this.#reader.sent();
  }

  onResponseStart(
    { rawHeaders }: Dispatcher.DispatchController,
    status: number,
    headers: ResponseHeaders,
    statusText = "",
  ): void {
    // 103 and similar responses precede the actual one.
    if (status < 200 || this.#state === "ended") return;
    this.#state = "answering";
    this.#bytesAnswered += 1;
    this.#reader.head({ status, statusText, headers, rawHeaders: textsOf(rawHeaders) });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#state === "ended") return;
    this.#bytesAnswered += chunk.length;
    if (!this.#reader.data(chunk)) controller.pause();
  }

  onResponseEnd({ rawTrailers }: Dispatcher.DispatchController): void {
    // undici closes a connection on which the request was not sent completely.
    const { body } = this.#facts;
    const isWhole = !(body instanceof Readable) || body.readableEnded;
    if (this.#end(isWhole)) this.#reader.end(textsOf(rawTrailers));
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#state === "ended") return;
    const { method, origin, body } = this.#facts;
    const isRepeatable = body === null && REPEATABLE_METHODS.has(method);
    if (this.#state === "sent" && isRepeatable && this.#owner.resendIfStale(this, error)) return;
    const stage = this.#state === "connecting" ? "connecting" : "exchanging";
    const mayWantCertificate = origin.startsWith("https:") && this.#state === "sent";
    const { code, message } = failureFromError(error, stage, mayWantCertificate);
    this.fail(code, message);
  }

  #end(reusable: boolean): boolean {
    if (this.#state === "ended") return false;
    this.#state = "ended";
    this.#owner.onSettled(this, reusable);
    return true;
  }
}

/** Requests without a body that change nothing, so that they may be sent twice. */
const REPEATABLE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

function textsOf(raw: Dispatcher.DispatchController["rawHeaders"]): readonly string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((text) => (typeof text === "string" ? text : text.toString("latin1")));
}

/** How undici ends a body in chunks. It has no way to send trailers before the last line of it. */
const END_OF_CHUNKS = "\r\n0\r\n\r\n";
const LAST_CHUNK = "0\r\n";
/** How the head of a body in chunks ends that has turned out to be empty, and is sent as none. */
const END_OF_EMPTY = /(?:content-length: 0\r\n)?\r\n$/;

type Write = (chunk: Uint8Array | string, encoding?: BufferEncoding) => boolean;

/**
 * Ends the next body in chunks on a connection with trailers (RFC 9112, 7.1.2). Bodies are written as
 * bytes, so the one text that ends them can't be taken for a part of one.
 * @param trailers names and values alternating, as known once the body has ended; none for no change
 */
function endBodyWith(socket: Socket, trailers: () => readonly string[]): void {
  const write = socket.write.bind(socket) as Write;
  const replaced: Write = (chunk, encoding) => {
    if (typeof chunk !== "string" || !chunk.endsWith("\r\n\r\n")) return write(chunk, encoding);
    // From here on the socket's own method is found again.
    Reflect.deleteProperty(socket, "write");
    const lines = linesOf(trailers());
    if (chunk === END_OF_CHUNKS) return write(`\r\n${LAST_CHUNK}${lines}\r\n`, "latin1");
    if (lines === "") return write(chunk, encoding);
    const head = chunk.replace(END_OF_EMPTY, "transfer-encoding: chunked\r\n\r\n");
    return write(`${head}${LAST_CHUNK}${lines}\r\n`, "latin1");
  };
  socket.write = replaced as Socket["write"];
}

function linesOf(fields: readonly string[]): string {
  let lines = "";
  for (let index = 0; index < fields.length; index += 2) {
    lines += `${fields[index] ?? ""}: ${fields[index + 1] ?? ""}\r\n`;
  }
  return lines;
}
