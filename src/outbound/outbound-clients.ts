import type { Runtime } from "../runtime/runtime.ts";
import type { FairSemaphore } from "../lanes/fair-semaphore.ts";
import type { AddressGuard } from "./guard/address-guard.ts";
import type { AddressLookup } from "./names/name-resolver.ts";
import { type Destined, RequestClient } from "./request-client.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;
/** Twice the highest concurrency that a connection may ask for: a project gets half at most. */
const UPSTREAM_CONNECTIONS_MAX = 2048;
/** Lanes keep far below it; there is one for each project that calls back to the origin. */
const CALLBACK_CONNECTIONS_MAX = 1024;

export interface OutboundClients {
  readonly upstreamClient: RequestClient;
  readonly callbackClient: RequestClient;
}

export interface OutboundClientsOptions {
  /** Where requests of a project may go, and where its callbacks may. */
  readonly guardOf: (projectId: string) => AddressGuard;
  readonly callbackGuardOf: (projectId: string) => AddressGuard;
  /** Callbacks that go where the operator lets all of them go. */
  readonly trustsCallback: (request: Destined) => boolean;
  readonly lookup: AddressLookup;
  readonly upstreamConnections: FairSemaphore;
  readonly callbackConnections: FairSemaphore;
  /** Answers that come more slowly are given up. */
  readonly bytesPerSecondMin: number;
}

/** Requests to clients' callback URLs and to upstreams never share a connection or a limit. */
export function createOutboundClients(
  runtime: Pick<Runtime, "clock">,
  options: OutboundClientsOptions,
): OutboundClients {
  const { guardOf, callbackGuardOf, trustsCallback, lookup } = options;
  const shared = {
    lookup,
    bytesPerSecondMin: options.bytesPerSecondMin,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    keepAliveMs: KEEP_ALIVE_MS,
  };
  return {
    upstreamClient: new RequestClient(runtime, {
      ...shared,
      connectionsPerOriginMax: UPSTREAM_CONNECTIONS_MAX,
      guardOf,
      connections: options.upstreamConnections,
      trusts: ({ isTrusted }) => isTrusted === true,
    }),
    callbackClient: new RequestClient(runtime, {
      ...shared,
      guardOf: callbackGuardOf,
      connections: options.callbackConnections,
      trusts: trustsCallback,
      connectionsPerOriginMax: CALLBACK_CONNECTIONS_MAX,
    }),
  };
}
