import type { Socket } from "node:net";
import type { Client } from "undici";
import type { Connection } from "./connection.ts";
import { AnswerTap } from "./exchange/answer-tap.ts";
import { Dial } from "./dial.ts";
import { Exchange } from "./exchange/exchange.ts";
import { isConnectionReset } from "./exchange/failure-from-error.ts";
import { readLeniently } from "./exchange/lenient-head.ts";
import type { ExchangeOwner, PooledExchange, WaitsFor } from "./exchange/pooled-exchange.ts";
import {
  RelayedExchange,
  type RelayedRequest,
  type RelayReader,
} from "./exchange/relayed-exchange.ts";
import type { OutboundRequest, RequestOutcome } from "./exchange/request-outcome.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { SlotSet } from "../runtime/slot-set.ts";

/** Permits for open connections, of one project and in total. */
export interface ConnectionTurns {
  /** Takes one at once, perhaps in place of an idle one; false when none is available. */
  tryAcquire(): boolean;
  /** Waits for one. */
  acquire(): Promise<void>;
  release(): void;
  /** Counts one more idle connection, or one less. */
  countIdle(change: number): void;
}

interface OriginConnectionsOptions {
  readonly openClient: OpenClient;
  /** False for an address, which nothing has to look up. */
  readonly hasName: boolean;
  /** Looks the name up: why nothing can be sent there, or null. Never rejects. */
  readonly findNameProblem: () => Promise<Error | null>;
  readonly turns: ConnectionTurns;
  /** Whether a response of this origin has needed lenient reading, which then continues. */
  readonly leniency: { isNeeded(): boolean; need(): void };
  readonly connectionsMax: number;
  /** A response that arrives more slowly on average is aborted; 0 for no limit. */
  readonly bytesPerSecondMin: number;
  /** Nothing is in flight any more, or the last connection was closed. */
  readonly onQuiet: (connections: OriginConnections) => void;
}

/** Makes an unconnected undici client for this origin. */
export type OpenClient = (dial: Dial, onSocket: (socket: Socket) => void) => Client;

/**
 * The connections to one origin: the idle ones, the busy ones, and the exchanges that wait for one.
 * A connection carries one exchange at a time and is discarded after any error, so aborting an
 * exchange, whatever its state, closes its connection. Idle connections leave when undici's
 * keep-alive time or the host ends them.
 *
 * undici's Pool is not used because it neither shows whether a socket was used before (which a safe
 * retry needs) nor lets a waiting request be withdrawn.
 */
export class OriginConnections implements ExchangeOwner {
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #options: OriginConnectionsOptions;
  /** Those that wait for a connection too. */
  readonly #inFlight = new SlotSet<PooledExchange>();
  readonly #waiting = new Set<PooledExchange>();
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  #isWaitingForTurn = false;
  #isDestroyed = false;

  constructor(runtime: Pick<Runtime, "clock">, options: OriginConnectionsOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0 && this.#inFlight.size === 0;
  }

  monotonic(): number {
    return this.#runtime.clock.monotonic();
  }

  send(request: OutboundRequest): Promise<RequestOutcome> {
    const exchange = new Exchange(request, this);
    this.#begin(exchange);
    return exchange.outcome;
  }

  /** Sends a request whose bodies are streamed; `reader` receives the response. */
  relay(request: RelayedRequest, reader: RelayReader): RelayedExchange {
    const exchange = new RelayedExchange(request, reader, this);
    this.#begin(exchange);
    return exchange;
  }

  #begin(exchange: PooledExchange): void {
    const connection = this.#take();
    if (connection === null) this.#wait(exchange);
    else this.#dispatch(exchange, connection);
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  /** Closes the connection that has been idle longest. */
  closeOneIdle(): void {
    const [connection] = this.#idle;
    if (connection !== undefined) this.#dropIfIdle(connection);
  }

  waitsFor(exchange: PooledExchange): WaitsFor {
    switch (exchange.connection?.dial.stage) {
      case "looking_up":
        return "name";
      case "waiting_for_turn":
        return "turn";
      case "connecting":
      case "open":
        return "peer";
      case undefined:
    }
    // All its own connections are in use, or there was no permit for another.
    return this.#all.size < this.#options.connectionsMax ? "turn" : "peer";
  }

  /** Ends every exchange whose deadline has passed, or whose response arrives too slowly. */
  expire(nowMs: number): void {
    for (const exchange of this.#inFlight.values()) {
      // The end of one may have been that of others.
      if (!this.#inFlight.has(exchange)) continue;
      if (exchange.deadlineMs <= nowMs) exchange.expire();
      else exchange.check(nowMs, this.#options.bytesPerSecondMin);
    }
  }

  /** Ends every exchange as aborted and closes every connection. */
  async destroy(): Promise<void> {
    this.#isDestroyed = true;
    const connections = [...this.#all];
    this.#waiting.clear();
    for (const exchange of this.#inFlight.values())
      exchange.fail("aborted", "The gateway is stopping");
    this.#options.turns.countIdle(-this.#idle.length);
    this.#idle.length = 0;
    this.#all.clear();
    for (const { dial } of connections) dial.abandon();
    await Promise.all(connections.map(async ({ client }) => client?.destroy()));
  }

  onSettled(exchange: PooledExchange, reusable: boolean): void {
    const { connection } = exchange;
    exchange.connection = null;
    this.#inFlight.delete(exchange);
    if (connection === null) this.#waiting.delete(exchange);
    else this.#release(connection, reusable);
    if (this.#inFlight.size === 0) this.#options.onQuiet(this);
  }

  resendIfStale(exchange: PooledExchange, error: unknown): boolean {
    const { connection } = exchange;
    if (!connection?.used || !isConnectionReset(error)) return false;
    this.#discard(connection);
    // Another kept-alive connection may be dead as well, a new one can't be.
    this.#sendOnNew(exchange);
    return true;
  }

  resendLeniently(exchange: PooledExchange): boolean {
    const { connection } = exchange;
    if (!connection || connection.isLenient) return false;
    this.#options.leniency.need();
    this.#discard(connection);
    this.#sendOnNew(exchange);
    return true;
  }

  #wait(exchange: PooledExchange): void {
    exchange.connection = null;
    this.#inFlight.add(exchange);
    this.#waiting.add(exchange);
    this.#askForTurn();
  }

  #sendOnNew(exchange: PooledExchange): void {
    if (this.#options.turns.tryAcquire()) this.#dispatch(exchange, this.#open());
    else this.#wait(exchange);
  }

  /**
   * Waits for one more connection on behalf of all waiting exchanges, so that origins take turns.
   */
  #askForTurn(): void {
    const mayOpen = this.#all.size < this.#options.connectionsMax;
    if (this.#isWaitingForTurn || this.#waiting.size === 0 || !mayOpen) return;
    this.#isWaitingForTurn = true;
    void this.#options.turns.acquire().then(() => {
      this.#isWaitingForTurn = false;
      const [exchange] = this.#waiting;
      if (exchange === undefined || this.#isDestroyed) return this.#options.turns.release();
      this.#waiting.delete(exchange);
      this.#dispatch(exchange, this.#open());
      this.#askForTurn();
    });
  }

  #dispatch(exchange: PooledExchange, connection: Connection): void {
    exchange.connection = connection;
    this.#inFlight.add(exchange);
    const { hasName } = this.#options;
    if (connection.client === null && hasName) void this.#sendOnceResolved(exchange, connection);
    else this.#send(exchange, connection);
  }

  /**
   * Makes nothing of undici for a name that does not exist: that costs more than half of what the lookup does. The
   * connector looks the name up again, which is known by then, and judges its addresses.
   */
  async #sendOnceResolved(exchange: PooledExchange, connection: Connection): Promise<void> {
    connection.dial.stage = "looking_up";
    const problem = await this.#options.findNameProblem();
    // The exchange ended before the lookup did.
    if (exchange.connection !== connection) return;
    if (problem === null) this.#send(exchange, connection);
    else exchange.onResponseError(null, problem);
  }

  #send(exchange: PooledExchange, connection: Connection): void {
    connection.tap.listen();
    this.#clientOf(connection).dispatch(exchange.request, exchange);
  }

  #take(): Connection | null {
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      this.#options.turns.countIdle(-1);
      return idle;
    }
    const { connectionsMax, turns } = this.#options;
    // Exchanges that wait for a permit come first.
    if (this.#waiting.size > 0 || this.#all.size >= connectionsMax) return null;
    return turns.tryAcquire() ? this.#open() : null;
  }

  /** A permit was taken; it is released when the connection is gone. */
  #open(): Connection {
    const dial = new Dial(() => this.#options.turns.release());
    const tap = new AnswerTap();
    const isLenient = this.#options.leniency.isNeeded();
    const connection = { client: null, dial, tap, socket: null, used: false, isLenient };
    this.#all.add(connection);
    return connection;
  }

  #clientOf(connection: Connection): Client {
    if (connection.client !== null) return connection.client;
    const { dial, tap, isLenient } = connection;
    const client = this.#options.openClient(dial, (socket) => {
      if (isLenient) readLeniently(socket);
      tap.attach(socket);
      connection.socket = socket;
    });
    client.on("connect", () => {
      connection.used = false;
    });
    client.on("disconnect", () => this.#dropIfIdle(connection));
    connection.client = client;
    return client;
  }

  #release(connection: Connection, reusable: boolean): void {
    connection.tap.forget();
    if (reusable) {
      connection.used = true;
      this.#idle.push(connection);
      this.#options.turns.countIdle(1);
    } else {
      this.#discard(connection);
    }
    this.#serveNextWaiting();
  }

  #serveNextWaiting(): void {
    const [exchange] = this.#waiting;
    if (exchange === undefined) return;
    const connection = this.#idle.pop();
    if (connection === undefined) return this.#askForTurn();
    this.#options.turns.countIdle(-1);
    this.#waiting.delete(exchange);
    this.#dispatch(exchange, connection);
  }

  #dropIfIdle(connection: Connection): void {
    const index = this.#idle.indexOf(connection);
    if (index === -1) return;
    this.#idle.splice(index, 1);
    this.#options.turns.countIdle(-1);
    this.#discard(connection);
    if (this.#inFlight.size === 0) this.#options.onQuiet(this);
  }

  #discard(connection: Connection): void {
    this.#all.delete(connection);
    // Later, because undici is in the middle of reporting on this client.
    queueMicrotask(() => {
      void connection.client?.destroy();
      connection.dial.abandon();
    });
  }
}
