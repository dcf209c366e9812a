import { Client } from "undici";
import type { RequestFailureCode } from "../core/request-failure.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { trustingGuard } from "./address-guard.ts";
import type { AddressGuard } from "./address-guard.ts";
import { shareLookups, systemLookup } from "./address-lookup.ts";
import type { AddressLookup } from "./address-lookup.ts";
import { destinationOf } from "./destination.ts";
import type { Destination } from "./destination.ts";
import { createGuardedConnector, telling } from "./guarded-connector.ts";
import { type OpenClient, OriginConnections } from "./origin-connections.ts";
import type { OutboundRequest, RequestOutcome } from "./request-outcome.ts";

export interface RequestClientOptions {
  readonly guard: AddressGuard;
  readonly connectionsPerOriginMax: number;
  /** Origins whose idle connections are kept; past it the oldest idle origin is closed. */
  readonly originsMax: number;
  /** Limit on resolving, connecting and the TLS handshake together; kept to about a second. */
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept; a host's shorter wish is honoured. */
  readonly keepAliveMs: number;
  readonly responseHeadersBytesMax?: number;
  readonly lookup?: AddressLookup;
  /** Origins exempt from the guard: those that the operator configured. */
  readonly trustedOrigins?: readonly string[];
  readonly clock?: Clock;
}

// Deadlines are kept to this precision; one timer serves all exchanges.
const EXPIRY_TICK_MS = 100;
const RESPONSE_HEADERS_BYTES_MAX = 32 * 1024;

/**
 * Sends HTTP/1.1 requests to guarded addresses. It never follows a redirect, never decompresses,
 * knows no proxy, and bounds time, headers, body, connections and origins. Callbacks and upstreams
 * each have their own, so that neither can wait for the other.
 */
export class RequestClient {
  readonly #options: RequestClientOptions;
  readonly #clock: Clock;
  readonly #lookup: AddressLookup;
  readonly #trustedOrigins: ReadonlySet<string>;
  readonly #origins = new Map<string, OriginConnections>();
  readonly #lenientOrigins = new Set<string>();
  #expiryTimer: Timer | null = null;
  #closed = false;
  #onDrained: (() => void) | null = null;

  constructor(options: RequestClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#lookup = shareLookups(options.lookup ?? systemLookup);
    this.#trustedOrigins = new Set(options.trustedOrigins);
  }

  get connectionsPerOriginMax(): number {
    return this.#options.connectionsPerOriginMax;
  }

  /** Origins with a connection or an exchange. */
  get originCount(): number {
    return this.#origins.size;
  }

  get inFlightCount(): number {
    let count = 0;
    for (const connections of this.#origins.values()) count += connections.inFlightCount;
    return count;
  }

  /** Carries out one exchange. Whatever goes wrong on the way is an outcome, never a rejection. */
  send(request: OutboundRequest): Promise<RequestOutcome> {
    if (this.#closed) return failedAtOnce("aborted", "The gateway is stopping");
    if (!request.path.startsWith("/"))
      return failedAtOnce("url_refused", "The path must start with /");
    const connections = this.#origins.get(request.origin) ?? this.#openOrigin(request.origin);
    if (connections === null)
      return failedAtOnce("url_refused", "The origin is not an http(s) origin");
    this.#expiryTimer ??= this.#clock.setTimer(EXPIRY_TICK_MS, this.#expire);
    return connections.send(request);
  }

  /** Refuses new exchanges, waits up to `timeoutMs` for those in flight, then aborts what is left. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    await this.#drained(timeoutMs);
    this.#expiryTimer?.cancel();
    await Promise.all(Array.from(this.#origins.values(), (connections) => connections.destroy()));
    this.#origins.clear();
  }

  async #drained(timeoutMs: number): Promise<void> {
    if (this.inFlightCount === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(timeoutMs, resolve);
    this.#onDrained = resolve;
    await promise;
    timer.cancel();
  }

  #openOrigin(origin: string): OriginConnections | null {
    const url = URL.parse(origin);
    const destination = url === null ? null : destinationOf(url);
    if (url === null || destination === null) return null;
    if (this.#origins.size >= this.#options.originsMax) this.#closeOldestIdleOrigin();
    const trusted = this.#trustedOrigins.has(url.origin);
    const connections = new OriginConnections({
      openClient: this.#clientFactory(
        url,
        destination,
        trusted ? trustingGuard : this.#options.guard,
      ),
      leniency: {
        isNeeded: () => this.#lenientOrigins.has(origin),
        need: () => this.#readLenientlyFrom(origin),
      },
      connectionsMax: this.#options.connectionsPerOriginMax,
      clock: this.#clock,
      onQuiet: (quiet) => this.#onQuiet(origin, quiet),
    });
    this.#origins.set(origin, connections);
    return connections;
  }

  #clientFactory(url: URL, destination: Destination, guard: AddressGuard): OpenClient {
    const { connectTimeoutMs, keepAliveMs, responseHeadersBytesMax } = this.#options;
    const connect = createGuardedConnector(destination, {
      guard,
      lookup: this.#lookup,
      timeoutMs: connectTimeoutMs,
    });
    const options: Client.Options = {
      allowH2: false,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      maxHeaderSize: responseHeadersBytesMax ?? RESPONSE_HEADERS_BYTES_MAX,
      // One deadline covers the whole exchange.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    return (onSocket) =>
      new Client(url.origin, { ...options, connect: telling(connect, onSocket) });
  }

  #readLenientlyFrom(origin: string): void {
    if (this.#lenientOrigins.size >= this.#options.originsMax) this.#lenientOrigins.clear();
    this.#lenientOrigins.add(origin);
  }

  #closeOldestIdleOrigin(): void {
    for (const [origin, connections] of this.#origins) {
      if (connections.inFlightCount > 0) continue;
      this.#origins.delete(origin);
      void connections.destroy();
      return;
    }
  }

  #onQuiet(origin: string, connections: OriginConnections): void {
    if (connections.isEmpty && this.#origins.get(origin) === connections)
      this.#origins.delete(origin);
    if (this.#onDrained !== null && this.inFlightCount === 0) this.#onDrained();
  }

  readonly #expire = (): void => {
    const nowMs = this.#clock.monotonic();
    for (const connections of this.#origins.values()) connections.expire(nowMs);
    const pending = this.inFlightCount > 0;
    this.#expiryTimer = pending ? this.#clock.setTimer(EXPIRY_TICK_MS, this.#expire) : null;
  };
}

function failedAtOnce(code: RequestFailureCode, message: string): Promise<RequestOutcome> {
  return Promise.resolve({ kind: "failed", failure: { code, message }, durationMs: 0 });
}
