import { type AddressGuard, createAddressGuard, type EgressAllow } from "./address-guard.ts";
import { RequestClient } from "./request-client.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;
/** Twice the highest concurrency that a connection may ask for: a project gets half at most. */
const UPSTREAM_CONNECTIONS_MAX = 2048;
/** Lanes keep far below it; there is one for each project that calls back to the origin. */
const CALLBACK_CONNECTIONS_MAX = 1024;
const ORIGINS_MAX = 2_000;

export interface OutboundClients {
  readonly guard: AddressGuard;
  /** The guard of callbacks. */
  readonly callbackGuard: AddressGuard;
  readonly upstreamClient: RequestClient;
  readonly callbackClient: RequestClient;
}

/**
 * Requests to clients' callback URLs and to upstreams never share a connection or a limit.
 * @param trustedOrigins upstreams that the operator named, exempt from the guard
 * @param callbackAllow what callbacks are allowed, if not the same
 */
export function createOutboundClients(
  allow: EgressAllow,
  trustedOrigins: readonly string[],
  callbackAllow: EgressAllow = allow,
): OutboundClients {
  const guard = createAddressGuard(allow);
  const callbackGuard = createAddressGuard(callbackAllow);
  const shared = {
    guard,
    originsMax: ORIGINS_MAX,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    keepAliveMs: KEEP_ALIVE_MS,
  };
  return {
    guard,
    callbackGuard,
    upstreamClient: new RequestClient({
      ...shared,
      connectionsPerOriginMax: UPSTREAM_CONNECTIONS_MAX,
      trustedOrigins,
    }),
    callbackClient: new RequestClient({
      ...shared,
      guard: callbackGuard,
      connectionsPerOriginMax: CALLBACK_CONNECTIONS_MAX,
    }),
  };
}
