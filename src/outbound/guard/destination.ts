import { isIP } from "node:net";
import type { AddressGuard } from "./address-guard.ts";

/** The host and port that a URL leads to. */
export interface Destination {
  readonly protocol: "https:" | "http:";
  /** A name, or an IP literal without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * A connection was refused because of its destination; the message is for the person who reads it.
 */
export class AddressRefusedError extends Error {}

const WELL_KNOWN_PORTS_ALLOWED: ReadonlySet<number> = new Set([443, 80]);
const UNPRIVILEGED_PORT_MIN = 1024;
const LOCAL_NAME = /^(?:[^.]+|.+\.(?:localhost|local|internal))$/;

/** Reads the destination of a parsed URL; null for schemes that are not HTTP. */
export function destinationOf(url: URL): Destination | null {
  const { protocol } = url;
  if (protocol !== "https:" && protocol !== "http:") return null;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  const port = url.port === "" ? (protocol === "https:" ? 443 : 80) : Number(url.port);
  return { protocol, host, port };
}

/** Why a connection to this address of the destination is refused, or null when it is allowed. */
export function addressRefusal(
  destination: Destination,
  address: string,
  guard: AddressGuard,
): string | null {
  const { host, port } = destination;
  if (guard.exemptsHostPort(host, port) || guard.exemptsAddress(address)) return null;
  const range = guard.blockedRange(address);
  if (range === null) return exemptionNeeded(destination);
  // The address itself is not shown: the answer of a private resolver is confidential.
  const subject = isIP(host) === 0 ? `${host} resolves to` : `${host} is`;
  return `${subject} an address that is not public (${range}); ${howToAllow(destination)}`;
}

/** The entry is made of the caller's own URL, so it tells nothing new. */
function howToAllow({ host, port }: Destination): string {
  const entry = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  return `to allow it, the operator adds ${entry} to RINGBACK_EGRESS_ALLOW`;
}

/** Why the destination needs an exemption, whatever its address is, or null. */
export function exemptionNeeded(destination: Destination): string | null {
  const problem = problemOf(destination);
  return problem === null ? null : `${problem}; ${howToAllow(destination)}`;
}

function problemOf({ protocol, host, port }: Destination): string | null {
  if (isIP(host) === 0 && LOCAL_NAME.test(host)) {
    return `${host} is a name of a private network; use a name that the public DNS knows`;
  }
  if (protocol === "http:") return "http is not allowed; use https";
  if (port < UNPRIVILEGED_PORT_MIN && !WELL_KNOWN_PORTS_ALLOWED.has(port)) {
    return `port ${port} is not allowed; use 443, 80 or a port from ${UNPRIVILEGED_PORT_MIN} up`;
  }
  return null;
}
