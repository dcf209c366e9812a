import { notReadyAnswer } from "../api/http/problem.ts";
import { HttpServer, type HttpServerOptions } from "../api/server.ts";
import type { Config } from "../config.ts";
import { planSockets, type SocketPlan } from "../core/limits/machine-plan.ts";
import { openFilesMax } from "../runtime/process/machine-limits.ts";
import type { Log } from "../runtime/process/log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { reachableHost } from "./egress.ts";

/** A little longer than a request may take. */
const REQUESTS_CLOSE_TIMEOUT_MS = 6_000;

export type Handlers = Pick<HttpServerOptions, "fetch"> &
  Required<Pick<HttpServerOptions, "passOn">>;

const NOT_READY: Handlers = { fetch: notReadyAnswer, passOn: () => null };

/**
 * The socket of the gateway. It opens before the rest is built, because the rest must know its port;
 * until {@link Listener.serve} it answers that the gateway is not ready.
 */
export class Listener {
  readonly sockets: SocketPlan;
  readonly connections: Config["clientConnections"];
  readonly #server: HttpServer;
  readonly #host: string;
  #handlers = NOT_READY;

  constructor(runtime: Runtime, { host, port, clientConnections }: Config) {
    this.sockets = planSockets(openFilesMax());
    this.connections = withinPlan(clientConnections, this.sockets, runtime.log);
    this.#host = host;
    this.#server = new HttpServer(runtime, {
      fetch: (request, env) => this.#handlers.fetch(request, env),
      passOn: (request, response) => this.#handlers.passOn(request, response),
      host,
      port,
      stopTimeoutMs: REQUESTS_CLOSE_TIMEOUT_MS,
      connections: this.connections,
    });
  }

  get port(): number {
    return this.#server.address.port;
  }

  /** Where it listens, as this machine reaches it. */
  get localUrl(): string {
    return `http://${reachableHost(this.#host)}:${this.port}`;
  }

  open(): Promise<void> {
    return this.#server.start();
  }

  serve(handlers: Handlers): void {
    this.#handlers = handlers;
  }

  /** Asks clients to close their connections. */
  beginDraining(): void {
    this.#server.beginDraining();
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}

/** No more connections of clients than leave the process files to open for everything else. */
function withinPlan(
  { connectionsMax, connectionsPerAddressMax }: Config["clientConnections"],
  { listener }: SocketPlan,
  log: Log,
): Config["clientConnections"] {
  if (connectionsMax > listener) {
    log.warn(
      { wanted: connectionsMax, allowed: listener },
      "the limit on open files allows fewer client connections than RINGBACK_CLIENT_CONNECTIONS_MAX; raise it with ulimit -n",
    );
  }
  return {
    connectionsMax: Math.min(connectionsMax, listener),
    connectionsPerAddressMax: Math.min(connectionsPerAddressMax, listener),
  };
}
