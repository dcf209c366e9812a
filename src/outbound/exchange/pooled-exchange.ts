import type { Dispatcher } from "undici";
import type { RequestFailureCode } from "../../core/request-failure.ts";
import type { Slotted } from "../../runtime/slot-set.ts";
import type { Connection } from "../connection.ts";

/** An exchange as the connections of its origin see it, whether its bodies are kept or streamed. */
export interface PooledExchange extends Dispatcher.DispatchHandler, Slotted {
  /** Carries it; null while it waits for one. Written by its owner alone. */
  connection: Connection | null;
  /** undici reads only the fields it knows, so the request serves as its options without a copy. */
  readonly request: Dispatcher.DispatchOptions;
  /** Monotonic time. */
  readonly deadlineMs: number;
  /** Ends an exchange that took too long. */
  expire(): void;
  /** Called periodically while the exchange is in flight. */
  check(nowMs: number, bytesPerSecondMin: number): void;
  fail(code: RequestFailureCode, message: string): void;
  /** @param controller null when no connection could be made */
  onResponseError(controller: Dispatcher.DispatchController | null, error: Error): void;
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
  /** Repeats the request when its connection was dead before use; false otherwise. */
  resendIfStale(exchange: PooledExchange, error: unknown): boolean;
  /** Repeats the request on a connection with lenient reading; false if this one was lenient. */
  resendLeniently(exchange: PooledExchange): boolean;
}
