import { isIP } from "node:net";

/** Whether a listener on this host is reached by programs of this machine only. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
