import ipaddr from "ipaddr.js";
import { isIP } from "node:net";

type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/** The operator's exemptions from the private-address and https rules (`RINGBACK_EGRESS_ALLOW`). */
export interface EgressAllow {
  readonly cidrs: readonly { readonly address: string; readonly prefixBits: number }[];
  readonly hostPorts: readonly { readonly host: string; readonly port: number }[];
  /**
   * Exempts this machine by its loopback addresses and `localhost`, except for the given port,
   * which is the gateway's own. Names that resolve to a loopback address are not exempt.
   */
  readonly thisMachineBut?: number;
}

/** Decides where outgoing connections may go. Pure: it never resolves a name. */
export interface AddressGuard {
  /**
   * The range that blocks an address ("loopback", "private", …), or null when it is public unicast.
   */
  blockedRange(address: string): string | null;
  /** True when the address lies in an exempt CIDR. */
  exemptsAddress(address: string): boolean;
  /** True when this host, a name or an IP literal, is exempt on this port. */
  exemptsHostPort(host: string, port: number): boolean;
  /** True when it is exempt only as a receiver on this machine. */
  exemptsAsThisMachine(host: string, port: number): boolean;
  /** True when any CIDR is exempt, so that only resolving a name can decide. */
  readonly exemptsSomeAddresses: boolean;
}

/** For the operator's own origins: allows every address. */
export const trustingGuard: AddressGuard = {
  blockedRange: () => null,
  exemptsAddress: () => true,
  exemptsHostPort: () => true,
  exemptsAsThisMachine: () => false,
  exemptsSomeAddresses: true,
};

/** Builds the guard for the operator's exemptions; the lists are read once. */
export function createAddressGuard(allow: EgressAllow): AddressGuard {
  const cidrs = allow.cidrs.map(
    ({ address, prefixBits }) => [ipaddr.parse(address), prefixBits] as const,
  );
  const hostPorts = new Set(
    allow.hostPorts.map(({ host, port }) => `${canonicalHost(host)} ${port}`),
  );
  const isListed = (host: string, port: number): boolean =>
    hostPorts.size > 0 && hostPorts.has(`${canonicalHost(host)} ${port}`);
  const isThisMachine = (host: string, port: number): boolean =>
    allow.thisMachineBut !== undefined && port !== allow.thisMachineBut && isLoopbackHost(host);
  return {
    blockedRange: (address) => blockedRangeOf(parseAddress(address)),
    exemptsAddress: (address) => liesInAny(parseAddress(address), cidrs),
    exemptsHostPort: (host, port) => isListed(host, port) || isThisMachine(host, port),
    exemptsAsThisMachine: (host, port) =>
      isThisMachine(host, port) &&
      !isListed(host, port) &&
      !(knownAddresses(host) ?? []).some((address) => liesInAny(parseAddress(address), cidrs)),
    exemptsSomeAddresses: cidrs.length > 0,
  };
}

function isLoopbackHost(host: string): boolean {
  const addresses = knownAddresses(host);
  return (
    addresses?.every((address) => blockedRangeOf(parseAddress(address)) === "loopback") ?? false
  );
}

/** One spelling per host: lower case, no brackets, no trailing dot, addresses as they are compared. */
function canonicalHost(host: string): string {
  const bare = host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
  return parseAddress(bare)?.toNormalizedString() ?? bare;
}

// Addresses that look public but lead to the host or its cloud.
const IPV4_ALSO_BLOCKED: readonly (readonly [IpAddress, number])[] = [
  [ipaddr.parse("168.63.129.16"), 32], // Azure's metadata and DNS
  [ipaddr.parse("192.0.0.0"), 24], // IETF protocol assignments; Oracle Cloud's metadata
  [ipaddr.parse("192.88.99.0"), 24], // 6to4 relays
];

// All public addresses so far are in here (RFC 4291, IANA registry): it excludes the
// IPv4-compatible and translated forms, local-use NAT64 and everything not assigned yet.
const IPV6_GLOBAL: readonly [IpAddress, number] = [ipaddr.parse("2000::"), 3];
const IPV6_MAPPED: readonly [IpAddress, number] = [ipaddr.parse("::ffff:0:0"), 96];
const IPV6_NAT64: readonly [IpAddress, number] = [ipaddr.parse("64:ff9b::"), 96];

function blockedRangeOf(address: IpAddress | null): string | null {
  if (address === null) return "unintelligible";
  if (address.kind() === "ipv4") {
    if (liesInAny(address, IPV4_ALSO_BLOCKED)) return "reserved";
    return rangeUnlessPublic(address);
  }
  const embedded = embeddedIpv4(address);
  if (embedded !== null) return blockedRangeOf(embedded);
  return rangeUnlessPublic(address) ?? (liesIn(address, IPV6_GLOBAL) ? null : "reserved");
}

function rangeUnlessPublic(address: IpAddress): string | null {
  const range = address.range();
  return range === "unicast"
    ? null
    : range.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/**
 * The IPv4 address that an IPv6 one leads to, for the two forms in legitimate use: mapped (the same
 * host) and the well-known NAT64 prefix (what DNS64 returns). The other embedding forms
 * (compatible, translated, 6to4, Teredo, local-use NAT64) are blocked whatever they contain.
 */
function embeddedIpv4(address: IpAddress): ipaddr.IPv4 | null {
  if (!liesIn(address, IPV6_MAPPED) && !liesIn(address, IPV6_NAT64)) return null;
  return new ipaddr.IPv4(address.toByteArray().slice(12));
}

function liesInAny(
  address: IpAddress | null,
  cidrs: readonly (readonly [IpAddress, number])[],
): boolean {
  if (address === null) return false;
  if (cidrs.some((cidr) => liesIn(address, cidr))) return true;
  // A mapped address is the same host as its IPv4 address; one behind NAT64 is not.
  const embedded = liesIn(address, IPV6_MAPPED) ? embeddedIpv4(address) : null;
  return embedded !== null && cidrs.some((cidr) => liesIn(embedded, cidr));
}

function liesIn(address: IpAddress, [network, prefixBits]: readonly [IpAddress, number]): boolean {
  return address.kind() === network.kind() && address.match(network, prefixBits);
}

/** Null for anything but a plain address; zones (`fe80::1%eth0`) are never a public host. */
function parseAddress(text: string): IpAddress | null {
  const family = isIP(text);
  if (family === 4) return ipaddr.IPv4.parse(text);
  if (family === 0 || text.includes("%")) return null;
  // ipaddr.js reads the compatible form `::1.2.3.4` as the mapped one; the URL parser's hexadecimal
  // spelling keeps them apart.
  return ipaddr.IPv6.parse(new URL(`http://[${text}]/`).hostname.slice(1, -1));
}

const LOCALHOST_NAME = /^(?:.+\.)?localhost$/;

/**
 * The addresses of a host that need no DNS: a literal is its own, and `localhost` is the loopback
 * address (RFC 6761), whatever a resolver says. Null for every other name.
 */
export function knownAddresses(host: string): readonly string[] | null {
  if (isIP(host) !== 0) return [host];
  return LOCALHOST_NAME.test(host) ? ["127.0.0.1", "::1"] : null;
}
