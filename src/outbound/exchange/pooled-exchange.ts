import type { Socket } from "node:net";
import type { Dispatcher } from "undici";
import type { RequestFailureCode } from "../../core/request-failure.ts";

/** An exchange as the connections of its origin see it, whether its bodies are kept or streamed. */
export interface PooledExchange extends Dispatcher.DispatchHandler {
  /** undici reads only the fields it knows, so the request serves as its options without a copy. */
  readonly request: Dispatcher.DispatchOptions;
  /** Monotonic time. */
  readonly deadlineMs: number;
  /** Ends an exchange that took too long. */
  expire(): void;
  /** Called periodically while the exchange is in flight. */
  check(nowMs: number, bytesPerSecondMin: number): void;
  fail(code: RequestFailureCode, message: string): void;
}

/**
 * Before it is sent, an exchange waits for a connection permit, for a name server, or for its peer.
 */
export type WaitsFor = "turn" | "name" | "peer";

/** Provides connections to exchanges. */
export interface ExchangeOwner {
  /** Milliseconds on a clock that never jumps. */
  monotonic(): number;
  /** The outcome is known; `reusable` says whether the connection is in a known state. */
  onSettled(exchange: PooledExchange, reusable: boolean): void;
  waitsFor(exchange: PooledExchange): WaitsFor;
  /** The status that the response begins with, if it has arrived. */
  statusOf(exchange: PooledExchange): number | null;
  /** The open connection of an exchange, if it has one. */
  socketOf(exchange: PooledExchange): Socket | null;
  /** Repeats the request when its connection was dead before use; false otherwise. */
  resendIfStale(exchange: PooledExchange, error: unknown): boolean;
  /** Repeats the request on a connection with lenient reading; false if this one was lenient. */
  resendLeniently(exchange: PooledExchange): boolean;
}
