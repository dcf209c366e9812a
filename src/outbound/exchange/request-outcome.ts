import type { RequestFailure } from "../../core/request-failure.ts";

/** Room in memory for large answers, of which many at once would exhaust it. */
export interface ResponseBudget {
  /** Answers may be so large without asking. */
  readonly bytesFree: number;
  /** The answer to this request is larger, up to `bytes`: it is read on after `proceed`. */
  enter(request: OutboundRequest, bytes: number, proceed: () => void): void;
}

/** One outgoing HTTP request. Build `headers` once where they don't change: they are only read. */
export interface OutboundRequest {
  /** On whose behalf: projects share no connection, and each has limits of its own. */
  readonly projectId: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** As `URL.origin` spells it. */
  readonly origin: string;
  /** Path and query; starts with `/`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | null;
  /** Whether the operator sends it where it goes, so that it may lead anywhere; only of upstreams. */
  readonly isTrusted?: boolean;
  /**
   * Whether it may be sent again although it is no GET: it changes nothing, or its receiver knows
   * it by an id.
   */
  readonly mayRepeat?: boolean;
  /** Whether the status is all that counts: what goes wrong after it only cuts the body off. */
  readonly statusSuffices?: boolean;
  /** Whether a head that is not quite HTTP is read as curl and browsers do; only of upstreams. */
  readonly readsLeniently?: boolean;
  /** Limit on the whole exchange: waiting for a connection, connecting, answer and its body. */
  readonly timeoutMs: number;
  /** For so long the rest of an answer may be held back, as it was asked to; not counted as slow. */
  readonly mayHoldBackMs?: number;
  readonly responseBytesMax: number;
  /** Where a large answer waits for its turn to be read; whoever gives one leaves it again. */
  readonly room?: ResponseBudget | undefined;
  /** A larger body fails the exchange, or is cut off and the rest never read. */
  readonly whenLarger: "fail" | "truncate";
  readonly sink?: ResponseSink;
}

/** Takes the body of a 2xx answer as it comes, instead of having it kept in memory whole. */
export interface ResponseSink {
  /** Told of the headers before anything comes. */
  begin?(headers: ResponseHeaders): void;
  /**
   * The sender is held back until it resolves. A rejection fails the exchange: with the code of a
   * `SinkRefusal`, else as `aborted`.
   */
  take(chunk: Buffer): Promise<void> | null;
}

/** Names in lower case; a list where the answer repeats a name. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface AnsweredRequest {
  readonly kind: "answered";
  /** Any final status; redirects are answers like others. */
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** As sent: never decompressed. */
  readonly body: Buffer;
  /** Whether reading stopped at `responseBytesMax`, so that the body may be longer. */
  readonly truncated: boolean;
  readonly durationMs: number;
}

export interface FailedRequest {
  readonly kind: "failed";
  readonly failure: RequestFailure;
  readonly durationMs: number;
}

export type RequestOutcome = AnsweredRequest | FailedRequest;
