import type { Dispatcher } from "undici";
import type { RequestFailureCode } from "../../core/request-failure.ts";

/** An exchange as the connections of its origin see it, whether its bodies are kept or streamed. */
export interface PooledExchange extends Dispatcher.DispatchHandler {
  /** undici reads only the fields it knows, so the request serves as its options without a copy. */
  readonly request: Dispatcher.DispatchOptions;
  /** On the clock that never jumps. */
  readonly deadlineMs: number;
  /** Ends an exchange that took too long. */
  expire(): void;
  /** Called every now and then while the exchange is in flight. */
  check(nowMs: number, bytesPerSecondMin: number): void;
  fail(code: RequestFailureCode, message: string): void;
}

/** Before it is sent, an exchange waits for a turn to connect, for a name server, or for its peer. */
export type WaitsFor = "turn" | "name" | "peer";

/** Gives exchanges their connections. */
export interface ExchangeOwner {
  /** Milliseconds on a clock that never jumps. */
  monotonic(): number;
  /** The outcome is known; `reusable` says whether the connection is in a known state. */
  onSettled(exchange: PooledExchange, reusable: boolean): void;
  waitsFor(exchange: PooledExchange): WaitsFor;
  /** The status that the answer begins with, if any of it has come. */
  statusOf(exchange: PooledExchange): number | null;
  /** Sends the request again when its connection was dead before use; false if that is not so. */
  resendIfStale(exchange: PooledExchange, error: unknown): boolean;
  /** Sends the request again on a connection that is read leniently; false if this one was. */
  resendLeniently(exchange: PooledExchange): boolean;
}
