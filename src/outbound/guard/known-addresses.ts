import { isIP } from "node:net";

const LOCALHOST_NAME = /^(?:.+\.)?localhost$/;

/**
 * The addresses of a host that need no DNS: a literal is its own, and `localhost` is the loopback
 * address (RFC 6761), whatever a resolver says. Null for every other name.
 */
export function knownAddresses(host: string): readonly string[] | null {
  if (isIP(host) !== 0) return [host];
  return LOCALHOST_NAME.test(host) ? ["127.0.0.1", "::1"] : null;
}
