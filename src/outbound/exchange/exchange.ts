import type { Dispatcher } from "undici";
import type { RequestFailureCode } from "../../core/request-failure.ts";
import { SinkRefusal } from "./decoding-sink.ts";
import { failureFromError, isInvalidAnswer, isOddlyChunked } from "./failure-from-error.ts";
import { NO_SLOT } from "../../runtime/slot-set.ts";
import type { Connection } from "../connection.ts";
import type { ExchangeOwner, PooledExchange } from "./pooled-exchange.ts";
import type {
  OutboundRequest,
  RequestOutcome,
  ResponseHeaders,
  ResponseSink,
} from "./request-outcome.ts";

/** A response that has begun must arrive at the minimum rate on average over this period. */
const RATE_WINDOW_MS = 30_000;
/** Responses of this size are read into one block of memory. */
const WHOLE_BYTES_MIN = 256 * 1024;

/**
 * One request and its answer, as undici's handler. It settles exactly once; whatever undici
 * reports afterwards is ignored. Every poll passes here: one object and one promise a request.
 *
 *   connecting ─▶ sent ─▶ answering ─▶ settled      (settled is reached from every state)
 *        ▲          │
 *        └── stale ─┘                               (once, on a kept-alive connection, if it may be repeated)
 */
export class Exchange implements PooledExchange {
  slot = NO_SLOT;
  connection: Connection | null = null;
  readonly request: OutboundRequest;
  readonly deadlineMs: number;
  readonly outcome: Promise<RequestOutcome>;

  readonly #owner: ExchangeOwner;
  readonly #startedMs: number;
  #resolve: ((outcome: RequestOutcome) => void) | null = null;
  #state: "connecting" | "sent" | "answering" = "connecting";
  #status = 0;
  #headers: ResponseHeaders = {};
  /** Memory for a large response that declares its length. */
  #whole: Buffer | null = null;
  #firstChunk: Buffer | null = null;
  #moreChunks: Buffer[] | null = null;
  #bodyBytes = 0;
  #hasAskedForRoom = false;
  /**
   * The start of the rate measurement, the bytes received by then, and since when reading is
   * paused.
   */
  #measuredSinceMs: number | null = null;
  #measuredBytes = 0;
  #pausedAtMs: number | null = null;

  constructor(request: OutboundRequest, owner: ExchangeOwner) {
    this.request = request;
    this.#owner = owner;
    this.#startedMs = owner.monotonic();
    this.deadlineMs = this.#startedMs + request.timeoutMs;
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Ends an exchange that took too long, naming the stage it waited in. */
  expire(): void {
    // Behind a redirect it is what the answer before has left.
    const timeoutMs = Math.round(this.request.timeoutMs);
    if (this.#state !== "connecting")
      return this.fail("response_timeout", `No complete answer within ${timeoutMs} ms`);
    switch (this.#owner.waitsFor(this)) {
      case "turn":
        return this.fail("connection_limit", `${NO_TURN} ${timeoutMs} ms`);
      case "name":
        return this.fail("dns_failed", `The host name was not resolved within ${timeoutMs} ms`);
      case "peer":
        return this.fail("connect_timeout", `No connection within ${timeoutMs} ms`);
    }
  }

  /**
   * Ends an exchange whose response arrives too slowly: it would hold its connection, and perhaps
   * memory, up to its deadline. Called periodically.
   */
  check(nowMs: number, bytesPerSecondMin: number): void {
    if (this.#state !== "answering" || this.#pausedAtMs !== null) return;
    const heldBackUntilMs = this.#startedMs + (this.request.mayHoldBackMs ?? 0);
    this.#measuredSinceMs ??= Math.max(nowMs, heldBackUntilMs);
    const sinceMs = nowMs - this.#measuredSinceMs;
    if (sinceMs < RATE_WINDOW_MS) return;
    if ((this.#bodyBytes - this.#measuredBytes) * 1000 < bytesPerSecondMin * sinceMs) {
      const rate = `fewer than ${bytesPerSecondMin} bytes a second over ${RATE_WINDOW_MS / 1000} s`;
      return this.fail("response_too_slow", `The answer comes too slowly: ${rate}`);
    }
    this.#measuredSinceMs = nowMs;
    this.#measuredBytes = this.#bodyBytes;
  }

  fail(code: RequestFailureCode, message: string): void {
    if (this.request.statusSuffices === true && this.#hasStatus()) return this.#answer(true);
    const durationMs = this.#elapsedMs();
    this.#settle({ kind: "failed", failure: { code, message }, durationMs }, false);
  }

  onRequestStart(): void {
    this.#state = "sent";
  }

  onResponseStarted(): void {
    this.#state = "answering";
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: ResponseHeaders,
  ): void {
    if (status < 200) return; // 103 and its like announce the answer, they are not it
    this.#status = status;
    this.#headers = headers;
    const { whenLarger, sink } = this.request;
    // The status suffices for a response that is not a success.
    if (sink !== undefined && (status < 200 || status > 299)) this.#answer(true);
    else if (whenLarger === "fail") this.#prepareFor(this.#declaredBytes());
    sink?.begin?.(headers);
  }

  #prepareFor(declaredBytes: number): void {
    const { responseBytesMax, sink } = this.request;
    if (declaredBytes > responseBytesMax) return this.#failTooLarge();
    // Chunks that are kept until the last one has arrived grow old, and are then collected late.
    if (sink === undefined && declaredBytes >= WHOLE_BYTES_MIN) {
      this.#whole = Buffer.allocUnsafeSlow(declaredBytes);
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { responseBytesMax, whenLarger, sink } = this.request;
    if (sink !== undefined) return this.#pass(chunk, sink, controller);
    const bytesLeft = responseBytesMax - this.#bodyBytes;
    if (chunk.length < bytesLeft) {
      this.#keep(chunk);
      return this.#askForRoom(controller);
    }
    if (whenLarger === "fail") {
      return chunk.length === bytesLeft ? this.#keep(chunk) : this.#failTooLarge();
    }
    this.#keep(chunk.subarray(0, bytesLeft));
    // Whether more follows can't be known without waiting for it, unless the length was declared.
    const ends = chunk.length === bytesLeft && this.#declaredBytes() === responseBytesMax;
    if (!ends) this.#answer(true);
  }

  onResponseEnd(): void {
    this.#answer(false);
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#resolve === null) return;
    if (this.#state === "sent" && this.#mayRepeat() && this.#owner.resendIfStale(this, error)) {
      return;
    }
    const stage = this.#state === "connecting" ? "connecting" : "exchanging";
    if (this.#mayReadLeniently(error) && this.#owner.resendLeniently(this)) return this.#restart();
    const isSecure = this.request.origin.startsWith("https:");
    const { code, message } = failureFromError(error, stage, isSecure && this.#state === "sent");
    this.fail(code, message);
  }

  #pass(chunk: Buffer, sink: ResponseSink, controller: Dispatcher.DispatchController): void {
    if (this.#resolve === null) return;
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > this.request.responseBytesMax) return this.#failTooLarge();
    const room = sink.take(chunk);
    if (room === null) return;
    this.#pause(controller);
    room.then(
      () => this.#resume(controller),
      (error: unknown) => this.#refuse(error),
    );
  }

  /** A response whose headers are refused, or never end, still begins with its status. */
  #hasStatus(): boolean {
    if (this.#status === 0) this.#status = this.connection?.tap.status ?? 0;
    return this.#status !== 0;
  }

  #refuse(error: unknown): void {
    if (error instanceof SinkRefusal) this.fail(error.code, error.message);
    else this.fail("aborted", `The answer could not be taken: ${String(error)}`);
  }

  /** True when nothing of the response was consumed and its head is malformed. */
  #mayReadLeniently(error: Error): boolean {
    const { readsLeniently = false } = this.request;
    if (!readsLeniently || !this.#mayRepeat() || this.#resolve === null) return false;
    if (this.#status === 0) return isInvalidAnswer(error);
    // Nothing else knows of the body yet.
    return this.request.sink === undefined && !this.#hasAskedForRoom && isOddlyChunked(error);
  }

  /** Forgets the response so far: the request is sent once more. */
  #restart(): void {
    this.#state = "connecting";
    this.#status = 0;
    this.#headers = {};
    this.#whole = this.#firstChunk = this.#moreChunks = null;
    this.#bodyBytes = this.#measuredBytes = 0;
    this.#measuredSinceMs = null;
  }

  #mayRepeat(): boolean {
    return this.request.method === "GET" || this.request.mayRepeat === true;
  }

  #keep(chunk: Buffer): void {
    this.#whole?.set(chunk, this.#bodyBytes);
    this.#bodyBytes += chunk.length;
    if (this.#whole !== null) return;
    if (this.#firstChunk === null) this.#firstChunk = chunk;
    else if (this.#moreChunks === null) this.#moreChunks = [this.#firstChunk, chunk];
    else this.#moreChunks.push(chunk);
  }

  /** Continues reading only once there is room for the rest. */
  #askForRoom(controller: Dispatcher.DispatchController): void {
    const { room, responseBytesMax } = this.request;
    if (room === undefined || this.#hasAskedForRoom || this.#bodyBytes <= room.bytesFree) return;
    this.#hasAskedForRoom = true;
    const declared = this.#declaredBytes();
    this.#pause(controller);
    // NaN without a declared length.
    room.enter(this.request, declared <= responseBytesMax ? declared : responseBytesMax, () =>
      this.#resume(controller),
    );
  }

  #pause(controller: Dispatcher.DispatchController): void {
    this.#pausedAtMs = this.#owner.monotonic();
    controller.pause();
  }

  /** The sender did not cause the pause. */
  #resume(controller: Dispatcher.DispatchController): void {
    if (this.#pausedAtMs !== null && this.#measuredSinceMs !== null)
      this.#measuredSinceMs += this.#owner.monotonic() - this.#pausedAtMs;
    this.#pausedAtMs = null;
    controller.resume();
  }

  #answer(truncated: boolean): void {
    const outcome: RequestOutcome = {
      kind: "answered",
      status: this.#status,
      headers: this.#headers,
      body: this.#body(),
      truncated,
      durationMs: this.#elapsedMs(),
    };
    this.#settle(outcome, !truncated);
  }

  #body(): Buffer {
    // A 304 and similar responses declare a length that they don't send.
    if (this.#whole !== null) return this.#whole.subarray(0, this.#bodyBytes);
    if (this.#moreChunks !== null) return Buffer.concat(this.#moreChunks, this.#bodyBytes);
    return this.#firstChunk ?? NO_BODY;
  }

  #failTooLarge(): void {
    this.fail("body_too_large", `The answer is larger than ${this.request.responseBytesMax} bytes`);
  }

  #declaredBytes(): number {
    return Number(this.#headers["content-length"]);
  }

  #elapsedMs(): number {
    return this.#owner.monotonic() - this.#startedMs;
  }

  #settle(outcome: RequestOutcome, reusable: boolean): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    this.#owner.onSettled(this, reusable);
    resolve(outcome);
  }
}

const NO_TURN =
  "Nothing was sent: the project has as many connections open as it may, and none became free within";

const NO_BODY = Buffer.alloc(0);
