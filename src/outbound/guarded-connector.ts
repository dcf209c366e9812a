import { isIP } from "node:net";
import type { LookupFunction, Socket } from "node:net";
import { buildConnector } from "undici";
import type { AddressGuard } from "./address-guard.ts";
import type { AddressLookup } from "./address-lookup.ts";
import { addressRefusal, AddressRefusedError } from "./destination.ts";
import type { Destination } from "./destination.ts";
import { guardedAddresses } from "./guarded-addresses.ts";

export interface GuardedConnectorOptions {
  readonly guard: AddressGuard;
  readonly lookup: AddressLookup;
  /** Limit on resolving, connecting and the TLS handshake together; kept to about a second. */
  readonly timeoutMs: number;
}

/**
 * Connects to one destination, and only to addresses that the guard allows now: a name that was
 * public when it was accepted may not be any more. Host header, SNI and certificate check keep the name.
 */
export function createGuardedConnector(
  destination: Destination,
  options: GuardedConnectorOptions,
): buildConnector.connector {
  const { guard, lookup, timeoutMs } = options;
  const checkedLookup = nodeLookup(() => guardedAddresses(destination, guard, lookup));
  const connect = buildConnector({ allowH2: false, timeout: timeoutMs, lookup: checkedLookup });
  return (connectOptions, callback) => {
    const refusal = literalRefusal(destination, guard);
    if (refusal !== null) {
      queueMicrotask(() => callback(refusal, null));
      return;
    }
    connect(connectOptions, (error, socket) => {
      if (error !== null) return callback(error, null);
      const problem = peerProblem(destination, socket.remoteAddress, guard);
      if (problem === null) return callback(null, socket);
      destroyQuietly(socket);
      callback(problem, null);
    });
  };
}

/** The same connector, which hands each open socket to `onSocket` before anything is read from it. */
export function telling(
  connect: buildConnector.connector,
  onSocket: (socket: Socket) => void,
): buildConnector.connector {
  return (options, callback) => {
    connect(options, (error, socket) => {
      if (error !== null) return callback(error, null);
      onSocket(socket);
      callback(null, socket);
    });
  };
}

/** Node never looks a literal up, so it is checked by itself. */
function literalRefusal(destination: Destination, guard: AddressGuard): AddressRefusedError | null {
  if (isIP(destination.host) === 0) return null;
  const refusal = addressRefusal(destination, destination.host, guard);
  return refusal === null ? null : new AddressRefusedError(refusal);
}

/** The last check, on the peer that the socket really has; a socket without one is closed already. */
function peerProblem(
  destination: Destination,
  peer: string | undefined,
  guard: AddressGuard,
): Error | null {
  if (peer === undefined) {
    return Object.assign(new Error("closed as soon as it was open"), { code: "ECONNRESET" });
  }
  const refusal = addressRefusal(destination, peer, guard);
  return refusal === null ? null : new AddressRefusedError(refusal);
}

/** Node asks for all addresses and tries them in turn, or for one when that is switched off. */
function nodeLookup(resolve: () => Promise<readonly string[]>): LookupFunction {
  return (hostname, { all }, callback) => {
    const answer = (addresses: readonly string[]): void => {
      const found = addresses.map((address) => ({ address, family: isIP(address) }));
      const [first] = found;
      if (first === undefined) callback(notFound(hostname), []);
      else if (all === true) callback(null, found);
      else callback(null, first.address, first.family);
    };
    resolve().then(answer, (reason: unknown) => {
      callback(
        reason instanceof Error ? reason : new Error("lookup failed", { cause: reason }),
        [],
      );
    });
  };
}

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} has no address`), { code: "ENOTFOUND" });
}

function destroyQuietly(socket: Socket): void {
  socket.on("error", () => undefined);
  socket.destroy();
}
