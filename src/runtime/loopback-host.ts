import { isIP } from "node:net";

/** True when only programs on this machine can reach a listener on this host. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
