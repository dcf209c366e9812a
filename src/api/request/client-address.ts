import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** The address of a client whose request did not come through a socket, as in tests. */
const UNKNOWN_ADDRESS = "unknown";
/** The owner of one address of an IPv6 network has all 2⁶⁴. */
const IPV6_NETWORK_BITS = 64;

/** The parts of a request that show where it came from. */
export interface RequestSource {
  /** Address of the socket; absent without one. */
  readonly peer: string | undefined;
  /** The `X-Forwarded-For` header. */
  readonly forwardedFor: string | null;
}

/**
 * The address of a request's client: the socket's, or, when that is a trusted proxy's, the last one
 * in `X-Forwarded-For` that is not a trusted proxy's. Each proxy appends the address that it was
 * called from, so anything before that is only the client's claim.
 * @param isTrusted whether this address belongs to a proxy of the operator
 */
export function clientAddress(
  { peer = UNKNOWN_ADDRESS, forwardedFor }: RequestSource,
  isTrusted: (address: string) => boolean,
): string {
  let address = peerAddress(peer);
  if (forwardedFor === null) return address;
  for (const hop of forwardedFor.split(",").toReversed()) {
    const before = isTrusted(address) ? plainAddress(hop) : null;
    if (before === null) break;
    address = before;
  }
  return address;
}

/** Reading an address costs more than all else here, and peers are few: most often proxies. */
const peers = new Map<string, string>();
const PEERS_KNOWN_MAX = 1_000;

function peerAddress(peer: string): string {
  const known = peers.get(peer);
  if (known !== undefined) return known;
  const address = plainAddress(peer) ?? peer;
  if (peers.size >= PEERS_KNOWN_MAX) peers.clear();
  peers.set(peer, address);
  return address;
}

const PROXY_HEADERS = ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"];

/** True when a request came from this machine, and no proxy says that it came from elsewhere. */
export function isLocal({ peer = "" }: RequestSource, headers: Headers): boolean {
  if (PROXY_HEADERS.some((name) => headers.has(name))) return false;
  const address = plainAddress(peer);
  return address !== null && ipaddr.parse(address).range() === "loopback";
}

/** One text for all addresses that count as one client. */
export function addressGroup(address: string): string {
  if (isIP(address) !== 6) return address;
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${bare(address)}/${IPV6_NETWORK_BITS}`);
  return `${network.toString()}/${IPV6_NETWORK_BITS}`;
}

/** Without port, brackets and zone; a mapped IPv4 address in IPv4 form. Null when there is none. */
function plainAddress(text: string): string | null {
  const trimmed = text.trim();
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/.exec(trimmed) ?? [];
  const address = bracketed ?? dotted ?? trimmed;
  if (isIP(address) === 0) return null;
  return ipaddr.process(bare(address)).toString();
}

function bare(address: string): string {
  return address.replace(/%.*$/, "");
}
