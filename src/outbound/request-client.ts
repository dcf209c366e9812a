import { Client } from "undici";
import type { RequestFailure } from "../core/request-failure.ts";
import type { FairSemaphore } from "../lanes/shares/fair-semaphore.ts";
import { SharedCache } from "../lanes/shares/shared-cache.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { knownAddresses, trustingGuard } from "./guard/address-guard.ts";
import type { AddressGuard } from "./guard/address-guard.ts";
import { destinationOf } from "./guard/destination.ts";
import type { Destination } from "./guard/destination.ts";
import {
  type ConnectorFactory,
  createGuardedConnector,
  nameProblem,
  telling,
} from "./guard/guarded-connector.ts";
import type { AddressLookup } from "./names/name-resolver.ts";
import { type ConnectionTurns, type OpenClient, OriginConnections } from "./origin-connections.ts";
import type { RelayedExchange, RelayedRequest, RelayReader } from "./exchange/relayed-exchange.ts";
import type { OutboundRequest, RequestOutcome } from "./exchange/request-outcome.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface RequestClientOptions {
  /** Where requests of this project may go. */
  readonly guardOf: (projectId: string) => AddressGuard;
  /** True when the operator chose the destination, so that no guard is asked. */
  readonly trusts?: (request: Destined) => boolean;
  readonly connectionsPerOriginMax: number;
  /** Permits for open connections, including idle ones, of each project and in total. */
  readonly connections: Pick<FairSemaphore, "tryAcquire" | "acquire" | "release">;
  /** Those of them that are being opened. */
  readonly opening: Pick<FairSemaphore, "tryAcquire" | "acquire" | "release">;
  /** Limit on connecting and the TLS handshake together, with a precision of about a second. */
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept; a shorter time that the host asks for is respected. */
  readonly keepAliveMs: number;
  /** A response that arrives more slowly on average is aborted; no limit by default. */
  readonly bytesPerSecondMin?: number;
  readonly responseHeadersBytesMax?: number;
  readonly lookup: AddressLookup;
}

// Deadlines have this precision; one timer serves all exchanges.
const EXPIRY_TICK_MS = 100;
const RESPONSE_HEADERS_BYTES_MAX = 32 * 1024;
/** Origins of all projects that are remembered as needing a lenient reader. */
const LENIENT_ORIGINS_MAX = 2_000;

/** The properties that connections are selected by. */
export type Destined = Pick<OutboundRequest, "projectId" | "origin" | "path" | "isTrusted">;

/** The connections of one project, by origin. */
interface ProjectConnections {
  readonly guarded: Map<string, OriginConnections>;
  /** To destinations that the operator chose: other requests must not use these. */
  readonly trusted: Map<string, OriginConnections>;
  readonly turns: ConnectionTurns;
}

/**
 * Sends HTTP/1.1 requests to guarded addresses. It never follows a redirect, never decompresses,
 * knows no proxy, and bounds time, headers, body, connections and origins. Callbacks and upstreams
 * each have their own, so that neither can wait for the other; projects share no connection.
 */
export class RequestClient {
  readonly #options: RequestClientOptions;
  readonly #clock: Clock;
  readonly #trusts: (request: Destined) => boolean;
  readonly #projects = new Map<string, ProjectConnections>();
  /** By project and origin. When there are too many, the project with the most loses its oldest. */
  readonly #lenientOrigins = new SharedCache<true>(LENIENT_ORIGINS_MAX);
  #idleCount = 0;
  #expiryTimer: Timer | null = null;
  #closed = false;
  #onDrained: (() => void) | null = null;

  constructor(runtime: Pick<Runtime, "clock">, options: RequestClientOptions) {
    this.#options = options;
    this.#clock = runtime.clock;
    this.#trusts = options.trusts ?? (() => false);
  }

  get connectionsPerOriginMax(): number {
    return this.#options.connectionsPerOriginMax;
  }

  /** Origins with a connection or an exchange. */
  get originCount(): number {
    let count = 0;
    for (const { guarded, trusted } of this.#projects.values())
      count += guarded.size + trusted.size;
    return count;
  }

  get inFlightCount(): number {
    let count = 0;
    for (const connections of this.#all()) count += connections.inFlightCount;
    return count;
  }

  /** Whether a request of the project to this origin finds a connection that is open. */
  hasIdleConnection(projectId: string, origin: string): boolean {
    const project = this.#projects.get(projectId);
    if (project === undefined) return false;
    const { guarded, trusted } = project;
    return [guarded, trusted].some((origins) => (origins.get(origin)?.idleCount ?? 0) > 0);
  }

  /** Performs one exchange. Every failure is an outcome, never a rejection. */
  send(request: OutboundRequest): Promise<RequestOutcome> {
    const connections = this.#connectionsFor(request);
    return connections instanceof OriginConnections
      ? connections.send(request)
      : Promise.resolve({ kind: "failed", failure: connections, durationMs: 0 });
  }

  /**
   * Starts an exchange whose bodies are streamed. Returns null when it failed at once, which
   * `reader` was told.
   */
  relay(request: RelayedRequest, reader: RelayReader): RelayedExchange | null {
    const connections = this.#connectionsFor(request);
    if (connections instanceof OriginConnections) return connections.relay(request, reader);
    reader.failed(connections);
    return null;
  }

  #connectionsFor(request: Destined): OriginConnections | RequestFailure {
    if (this.#closed) return { code: "aborted", message: "The gateway is stopping" };
    if (!request.path.startsWith("/"))
      return { code: "url_refused", message: "The path must start with /" };
    const isTrusted = this.#trusts(request);
    const project = this.#projects.get(request.projectId);
    const known = isTrusted ? project?.trusted : project?.guarded;
    const connections = known?.get(request.origin) ?? this.#openOrigin(request, isTrusted);
    if (connections === null)
      return { code: "url_refused", message: "The origin is not an http(s) origin" };
    this.#expiryTimer ??= this.#clock.setTimer(EXPIRY_TICK_MS, this.#expire);
    return connections;
  }

  /** Refuses new exchanges, waits up to `timeoutMs` for those in flight, then aborts the rest. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    await this.#drained(timeoutMs);
    this.#expiryTimer?.cancel();
    await Promise.all(Array.from(this.#all(), (connections) => connections.destroy()));
    this.#projects.clear();
  }

  async #drained(timeoutMs: number): Promise<void> {
    if (this.inFlightCount === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(timeoutMs, resolve);
    this.#onDrained = resolve;
    await promise;
    timer.cancel();
  }

  *#all(): Iterable<OriginConnections> {
    for (const { guarded, trusted } of this.#projects.values()) {
      yield* guarded.values();
      yield* trusted.values();
    }
  }

  #openOrigin({ projectId, origin }: Destined, isTrusted: boolean): OriginConnections | null {
    const url = URL.parse(origin);
    const destination = url === null ? null : destinationOf(url);
    if (url === null || destination === null) return null;
    const project = this.#projects.get(projectId) ?? this.#openProject(projectId);
    const origins = isTrusted ? project.trusted : project.guarded;
    const lenientKey = `${projectId} ${origin}`;
    const guardOf = () => (isTrusted ? trustingGuard : this.#options.guardOf(projectId));
    const { lookup } = this.#options;
    const connections = new OriginConnections(
      { clock: this.#clock },
      {
        openClient: this.#clientFactory(url, destination, { projectId, guardOf }),
        hasName: knownAddresses(destination.host) === null,
        findNameProblem: () => nameProblem(destination, guardOf(), lookup, projectId),
        leniency: {
          isNeeded: () => this.#lenientOrigins.has(lenientKey),
          need: () => this.#lenientOrigins.set(projectId, lenientKey, true),
        },
        turns: project.turns,
        connectionsMax: this.#options.connectionsPerOriginMax,
        bytesPerSecondMin: this.#options.bytesPerSecondMin ?? 0,
        onQuiet: (quiet) => {
          if (quiet.isEmpty && origins.get(origin) === quiet) origins.delete(origin);
          this.#onQuiet(projectId, project);
        },
      },
    );
    origins.set(origin, connections);
    return connections;
  }

  #openProject(projectId: string): ProjectConnections {
    const { connections } = this.#options;
    const project: ProjectConnections = {
      guarded: new Map(),
      trusted: new Map(),
      turns: {
        tryAcquire: () => connections.tryAcquire(projectId),
        acquire: async () => {
          this.#closeOneIdle(projectId);
          await connections.acquire(projectId);
        },
        release: () => connections.release(projectId),
        countIdle: (change) => void (this.#idleCount += change),
      },
    };
    this.#projects.set(projectId, project);
    return project;
  }

  #clientFactory(
    url: URL,
    destination: Destination,
    of: { readonly projectId: string; readonly guardOf: () => AddressGuard },
  ): OpenClient {
    const { connectTimeoutMs, keepAliveMs, responseHeadersBytesMax, lookup, opening } =
      this.#options;
    let connect: ConnectorFactory | null = null;
    return (dial, onSocket) => {
      connect ??= createGuardedConnector(destination, {
        ...of,
        lookup,
        opening,
        timeoutMs: connectTimeoutMs,
      });
      return new Client(url.origin, {
        allowH2: false,
        pipelining: 1,
        keepAliveTimeout: keepAliveMs,
        keepAliveMaxTimeout: keepAliveMs,
        maxHeaderSize: responseHeadersBytesMax ?? RESPONSE_HEADERS_BYTES_MAX,
        // One deadline covers the whole exchange.
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: telling(connect(dial), onSocket),
      });
    };
  }

  /** Closes an idle connection: one of the project, otherwise of the project with the most. */
  #closeOneIdle(projectId: string): void {
    if (this.#idleCount === 0) return;
    const own = this.#projects.get(projectId);
    if (own !== undefined && idleOf(own) > 0) return closeOneOf(own);
    let most: ProjectConnections | null = null;
    for (const project of this.#projects.values())
      if (most === null || idleOf(project) > idleOf(most)) most = project;
    if (most !== null) closeOneOf(most);
  }

  #onQuiet(projectId: string, project: ProjectConnections): void {
    const isEmpty = project.guarded.size + project.trusted.size === 0;
    if (isEmpty && this.#projects.get(projectId) === project) this.#projects.delete(projectId);
    if (this.#onDrained !== null && this.inFlightCount === 0) this.#onDrained();
  }

  readonly #expire = (): void => {
    const nowMs = this.#clock.monotonic();
    for (const connections of this.#all()) connections.expire(nowMs);
    const pending = this.inFlightCount > 0;
    this.#expiryTimer = pending ? this.#clock.setTimer(EXPIRY_TICK_MS, this.#expire) : null;
  };
}

function idleOf({ guarded, trusted }: ProjectConnections): number {
  let count = 0;
  for (const origins of [guarded, trusted])
    for (const { idleCount } of origins.values()) count += idleCount;
  return count;
}

function closeOneOf({ guarded, trusted }: ProjectConnections): void {
  for (const origins of [guarded, trusted]) {
    for (const connections of origins.values())
      if (connections.idleCount > 0) return connections.closeOneIdle();
  }
}
