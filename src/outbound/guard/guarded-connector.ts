import { isIP, type LookupFunction, Socket } from "node:net";
import { buildConnector } from "undici";
import { type AddressGuard, knownAddresses } from "./address-guard.ts";
import { addressRefusal, AddressRefusedError, type Destination } from "./destination.ts";
import type { Dial } from "../dial.ts";
import type { FairSemaphore } from "../../lanes/shares/fair-semaphore.ts";
import { type AddressLookup, NameLookupError } from "../names/name-resolver.ts";

/**
 * The addresses that may be connected to for a destination.
 *
 * Throws `AddressRefusedError` when any of them is refused: a name that mixes public and private
 * addresses is an attack or a mistake. `localhost` means both loopback addresses, of which an
 * operator may allow one. Rejects with a `NameLookupError` when the name can't be resolved.
 */
async function guardedAddresses(
  destination: Destination,
  guard: AddressGuard,
  lookup: AddressLookup,
  projectId: string,
): Promise<readonly string[]> {
  const known = knownAddresses(destination.host);
  if (known !== null) return allowedOfKnown(known, destination, guard);
  const { host, port } = destination;
  const isListed = guard.exemptsHostPort(host, port);
  const addresses = await lookup({ host, projectId, isListed });
  if (addresses.length === 0) throw new NameLookupError("not_found", `${host} has no address`);
  for (const address of addresses) throwIfRefused(addressRefusal(destination, address, guard));
  return addresses;
}

/** Why nothing can be sent to a destination with a name, or null. Its name is known afterwards. */
export function nameProblem(
  destination: Destination,
  guard: AddressGuard,
  lookup: AddressLookup,
  projectId: string,
): Promise<Error | null> {
  return guardedAddresses(destination, guard, lookup, projectId).then(() => null, asError);
}

function allowedOfKnown(
  known: readonly string[],
  destination: Destination,
  guard: AddressGuard,
): readonly string[] {
  const refusals = known.map((address) => addressRefusal(destination, address, guard));
  const allowed = known.filter((_, index) => refusals[index] === null);
  if (allowed.length === 0) throwIfRefused(refusals[0] ?? null);
  return allowed;
}

function throwIfRefused(refusal: string | null): void {
  if (refusal !== null) throw new AddressRefusedError(refusal);
}

interface GuardedConnectorOptions {
  readonly projectId: string;
  /** Called for every connection. */
  readonly guardOf: () => AddressGuard;
  readonly lookup: AddressLookup;
  /** Connections that are being opened at once, shared among projects. */
  readonly opening: Pick<FairSemaphore, "tryAcquire" | "acquire" | "release">;
  /** Limit on connecting and the TLS handshake together, with a precision of about a second. */
  readonly timeoutMs: number;
}

/** Makes the connector of one connection. */
export type ConnectorFactory = (dial: Dial) => buildConnector.connector;

/**
 * Connects to one destination, and only to addresses that the guard allows now: a name that was
 * public when it was accepted may have changed. Host header, SNI and certificate check keep the
 * name.
 */
export function createGuardedConnector(
  destination: Destination,
  options: GuardedConnectorOptions,
): ConnectorFactory {
  const { projectId, guardOf, lookup, opening, timeoutMs } = options;
  // Node asks for them before `connect` returns. If it asked later, those of another connection to
  // the same destination, which were judged as well, would be equally good.
  let addresses: readonly string[] = [];
  const connect = buildConnector({
    allowH2: false,
    timeout: timeoutMs,
    lookup: nodeLookup(() => addresses),
  });
  const open: (dial: Dial) => buildConnector.connector = (dial) => (connectOptions, callback) => {
    dial.stage = "connecting";
    // The socket, which the types leave out.
    const opening: unknown = connect(connectOptions, (error, socket) => {
      if (error !== null) return callback(error, null);
      const problem = peerProblem(destination, socket.remoteAddress, guardOf());
      if (problem !== null) {
        destroyQuietly(socket);
        return callback(problem, null);
      }
      dial.stage = "open";
      callback(null, socket);
    });
    if (opening instanceof Socket) dial.track(opening);
  };
  // A connection attempt may take seconds of silence, and a TLS handshake takes the event loop's time.
  const openInTurn: ConnectorFactory = (dial) => (connectOptions, callback) => {
    const begin = (): void =>
      open(dial)(connectOptions, (...outcome) => {
        opening.release(projectId);
        callback(...outcome);
      });
    if (opening.tryAcquire(projectId)) return begin();
    dial.stage = "waiting_for_turn";
    void opening.acquire(projectId, dial.abandoned).then((acquisition) => {
      if (acquisition === "acquired") return begin();
      callback(new Error("the connection is not wanted"), null);
    });
  };
  return (dial) => (connectOptions, callback) => {
    const guard = guardOf();
    const refusal = literalRefusal(destination, guard);
    if (refusal !== null) {
      queueMicrotask(() => callback(refusal, null));
      return;
    }
    if (isIP(destination.host) !== 0) return openInTurn(dial)(connectOptions, callback);
    // Before the socket is made: the receiver is not responsible for a slow name server.
    dial.stage = "looking_up";
    guardedAddresses(destination, guard, lookup, projectId).then(
      (found) => {
        if (dial.isAbandoned) return callback(new Error("the connection is not wanted"), null);
        addresses = found;
        openInTurn(dial)(connectOptions, callback);
      },
      (reason: unknown) => callback(asError(reason), null),
    );
  };
}

/**
 * The same connector, which passes each open socket to `onSocket` before anything is read from it.
 */
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

/** Node never looks a literal up, so it is checked separately. */
function literalRefusal(destination: Destination, guard: AddressGuard): AddressRefusedError | null {
  if (isIP(destination.host) === 0) return null;
  const refusal = addressRefusal(destination, destination.host, guard);
  return refusal === null ? null : new AddressRefusedError(refusal);
}

/** The last check, on the actual peer of the socket; a socket without one is closed already. */
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

/** Node asks for all addresses and tries them in turn, or for one when that is disabled. */
function nodeLookup(addresses: () => readonly string[]): LookupFunction {
  return (_, { all }, callback) => {
    const found = addresses().map((address) => ({ address, family: isIP(address) }));
    const [first] = found;
    // Not in this call: listeners for its result are added after it.
    queueMicrotask(() => {
      if (all === true) callback(null, found);
      else callback(null, first?.address ?? "", first?.family);
    });
  };
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("the lookup failed", { cause: reason });
}

function destroyQuietly(socket: Socket): void {
  socket.on("error", () => undefined);
  socket.destroy();
}
