import type { Socket } from "node:net";
import type { Client } from "undici";
import type { Clock } from "../runtime/clock.ts";
import { AnswerTap } from "./answer-tap.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangeOwner } from "./exchange.ts";
import { isConnectionReset } from "./failure-from-error.ts";
import { readLeniently } from "./lenient-head.ts";
import type { OutboundRequest, RequestOutcome } from "./request-outcome.ts";

export interface OriginConnectionsOptions {
  readonly openClient: OpenClient;
  /** Whether an answer of this origin has needed lenient reading; it is read so from then on. */
  readonly leniency: { isNeeded(): boolean; need(): void };
  readonly connectionsMax: number;
  readonly clock: Clock;
  /** Nothing is in flight any more, or the last connection was closed. */
  readonly onQuiet: (connections: OriginConnections) => void;
}

/** Makes an unconnected undici client for this origin. */
export type OpenClient = (onSocket: (socket: Socket) => void) => Client;

interface Connection {
  readonly client: Client;
  readonly tap: AnswerTap;
  /** Whether the present socket has carried an answer, so that the host may have closed it since. */
  used: boolean;
  readonly isLenient: boolean;
}

/**
 * The connections to one origin: the idle ones, the busy ones, and the exchanges that wait for one.
 * A connection carries one exchange at a time and is thrown away when anything goes wrong on it, so
 * giving up on an exchange, whatever its state, is closing its connection. Idle connections
 * leave when undici's keep-alive time or the host ends them.
 *
 * undici's Pool is not used because it neither tells whether a socket was used before (which a safe
 * retry needs) nor lets a waiting request be withdrawn.
 */
export class OriginConnections implements ExchangeOwner {
  readonly #options: OriginConnectionsOptions;
  /** The connection of each exchange in flight; null while it waits for one. */
  readonly #inFlight = new Map<Exchange, Connection | null>();
  readonly #waiting = new Set<Exchange>();
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();

  constructor(options: OriginConnectionsOptions) {
    this.#options = options;
  }

  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0 && this.#inFlight.size === 0;
  }

  monotonic(): number {
    return this.#options.clock.monotonic();
  }

  send(request: OutboundRequest): Promise<RequestOutcome> {
    const exchange = new Exchange(request, this);
    const connection = this.#take();
    if (connection === null) this.#wait(exchange);
    else this.#dispatch(exchange, connection);
    return exchange.outcome;
  }

  /** Ends every exchange whose time is up. */
  expire(nowMs: number): void {
    for (const exchange of this.#inFlight.keys())
      if (exchange.deadlineMs <= nowMs) exchange.expire();
  }

  /** Ends every exchange as aborted and closes every connection. */
  async destroy(): Promise<void> {
    const clients = Array.from(this.#all, ({ client }) => client);
    this.#waiting.clear();
    for (const exchange of this.#inFlight.keys())
      exchange.fail("aborted", "The gateway is stopping");
    this.#idle.length = 0;
    this.#all.clear();
    await Promise.all(clients.map((client) => client.destroy()));
  }

  onSettled(exchange: Exchange, reusable: boolean): void {
    const connection = this.#inFlight.get(exchange) ?? null;
    this.#inFlight.delete(exchange);
    if (connection === null) this.#waiting.delete(exchange);
    else this.#release(connection, reusable);
    if (this.#inFlight.size === 0) this.#options.onQuiet(this);
  }

  statusOf(exchange: Exchange): number | null {
    return this.#inFlight.get(exchange)?.tap.status ?? null;
  }

  resendIfStale(exchange: Exchange, error: unknown): boolean {
    const connection = this.#inFlight.get(exchange);
    if (!connection?.used || !isConnectionReset(error)) return false;
    this.#discard(connection);
    // Another kept-alive connection may be as dead, a new one can't be.
    this.#dispatch(exchange, this.#open());
    return true;
  }

  resendLeniently(exchange: Exchange): boolean {
    const connection = this.#inFlight.get(exchange);
    if (!connection || connection.isLenient) return false;
    this.#options.leniency.need();
    this.#discard(connection);
    this.#dispatch(exchange, this.#open());
    return true;
  }

  #wait(exchange: Exchange): void {
    this.#inFlight.set(exchange, null);
    this.#waiting.add(exchange);
  }

  #dispatch(exchange: Exchange, connection: Connection): void {
    this.#inFlight.set(exchange, connection);
    connection.tap.listen();
    // undici reads only the fields it knows, so the request serves as its options without a copy.
    connection.client.dispatch(exchange.request, exchange);
  }

  #take(): Connection | null {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    return this.#all.size < this.#options.connectionsMax ? this.#open() : null;
  }

  #open(): Connection {
    const tap = new AnswerTap();
    const isLenient = this.#options.leniency.isNeeded();
    const client = this.#options.openClient((socket) => {
      if (isLenient) readLeniently(socket);
      tap.attach(socket);
    });
    const connection: Connection = { client, tap, used: false, isLenient };
    client.on("connect", () => {
      connection.used = false;
    });
    client.on("disconnect", () => this.#dropIfIdle(connection));
    this.#all.add(connection);
    return connection;
  }

  #release(connection: Connection, reusable: boolean): void {
    connection.tap.forget();
    if (reusable) {
      connection.used = true;
      this.#idle.push(connection);
    } else {
      this.#discard(connection);
    }
    this.#serveNextWaiting();
  }

  #serveNextWaiting(): void {
    const [exchange] = this.#waiting;
    if (exchange === undefined) return;
    const connection = this.#take();
    if (connection === null) return;
    this.#waiting.delete(exchange);
    this.#dispatch(exchange, connection);
  }

  #dropIfIdle(connection: Connection): void {
    const index = this.#idle.indexOf(connection);
    if (index === -1) return;
    this.#idle.splice(index, 1);
    this.#discard(connection);
    if (this.#inFlight.size === 0) this.#options.onQuiet(this);
  }

  #discard(connection: Connection): void {
    this.#all.delete(connection);
    // Later, because undici is in the middle of reporting on this client.
    queueMicrotask(() => void connection.client.destroy());
  }
}
