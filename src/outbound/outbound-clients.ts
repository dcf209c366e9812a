import type { Runtime } from "../runtime/runtime.ts";
import type { FairSemaphore } from "../lanes/shares/fair-semaphore.ts";
import type { AddressGuard } from "./guard/address-guard.ts";
import type { AddressLookup } from "./names/name-resolver.ts";
import { type Destined, RequestClient } from "./request-client.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;
/** Twice the highest concurrency that a connection may have: a project gets half at most. */
const UPSTREAM_CONNECTIONS_MAX = 2048;
/** Lanes stay far below it; there is one for each project that calls back to the origin. */
const CALLBACK_CONNECTIONS_MAX = 1024;

interface OutboundClientsOptions {
  /** Where a project's requests and callbacks may go. */
  readonly guardOf: (projectId: string) => AddressGuard;
  readonly callbackGuardOf: (projectId: string) => AddressGuard;
  /** Callbacks to destinations that the operator allows for all of them. */
  readonly trustsCallback: (request: Destined) => boolean;
  readonly lookup: AddressLookup;
  readonly upstreamConnections: FairSemaphore;
  readonly callbackConnections: FairSemaphore;
  /** Connections that are being opened. */
  readonly upstreamOpening: FairSemaphore;
  readonly callbackOpening: FairSemaphore;
  /** Responses that arrive more slowly are aborted. */
  readonly bytesPerSecondMin: number;
}

/** Requests to clients' callback URLs and to upstreams never share a connection or a limit. */
export function createOutboundClients(
  runtime: Pick<Runtime, "clock">,
  options: OutboundClientsOptions,
): { readonly upstreamClient: RequestClient; readonly callbackClient: RequestClient } {
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
      opening: options.upstreamOpening,
      trusts: ({ isTrusted }) => isTrusted === true,
    }),
    callbackClient: new RequestClient(runtime, {
      ...shared,
      guardOf: callbackGuardOf,
      connections: options.callbackConnections,
      opening: options.callbackOpening,
      trusts: trustsCallback,
      connectionsPerOriginMax: CALLBACK_CONNECTIONS_MAX,
    }),
  };
}
