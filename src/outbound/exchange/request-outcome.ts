import type { RequestFailure } from "../../core/request-failure.ts";

/** Memory for large responses, of which many at once would exhaust it. */
export interface ResponseBudget {
  /** Responses up to this size need no permission. */
  readonly bytesFree: number;
  /** The response to this request may grow to `bytes`: reading continues after `proceed`. */
  enter(request: OutboundRequest, bytes: number, proceed: () => void): void;
}

/** One outgoing HTTP request. Build constant `headers` once: they are only read. */
export interface OutboundRequest {
  /** The project it is sent for: projects share no connection, and each has its own limits. */
  readonly projectId: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** As `URL.origin` spells it. */
  readonly origin: string;
  /** Path and query; starts with `/`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | null;
  /**
   * True when the operator chose the destination, so that it may lead anywhere; only for upstreams.
   */
  readonly isTrusted?: boolean;
  /**
   * True when it may be repeated although it is no GET: it changes nothing, or its receiver
   * recognizes it by an id.
   */
  readonly mayRepeat?: boolean;
  /** True when only the status counts: a later error merely cuts the body off. */
  readonly statusSuffices?: boolean;
  /** True when a malformed head is read as curl and browsers do; only for upstreams. */
  readonly readsLeniently?: boolean;
  /** Limit on the whole exchange: waiting for a connection, connecting, response and its body. */
  readonly timeoutMs: number;
  /**
   * How long the rest of a response may be held back, as the request allows; not counted as slow.
   */
  readonly mayHoldBackMs?: number;
  readonly responseBytesMax: number;
  /** Where a large response waits for permission to be read; its holder leaves it again. */
  readonly room?: ResponseBudget | undefined;
  /** A larger body fails the exchange, or is cut off and the rest is never read. */
  readonly whenLarger: "fail" | "truncate";
  readonly sink?: ResponseSink;
}

/** Consumes the body of a 2xx response as it arrives, instead of keeping it in memory. */
export interface ResponseSink {
  /** Receives the headers before anything else. */
  begin?(headers: ResponseHeaders): void;
  /**
   * The sender is paused until it resolves. A rejection fails the exchange: with the code of a
   * `SinkRefusal`, otherwise as `aborted`.
   */
  take(chunk: Buffer): Promise<void> | null;
}

/** Names in lower case; a list where the response repeats a name. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface AnsweredRequest {
  readonly kind: "answered";
  /** Any final status; redirects are treated like other responses. */
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** As sent: never decompressed. */
  readonly body: Buffer;
  /** True when reading stopped at `responseBytesMax`, so that the body may be longer. */
  readonly truncated: boolean;
  readonly durationMs: number;
}

interface FailedRequest {
  readonly kind: "failed";
  readonly failure: RequestFailure;
  readonly durationMs: number;
}

export type RequestOutcome = AnsweredRequest | FailedRequest;
