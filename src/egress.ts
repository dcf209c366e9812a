import type { Config } from "./config.ts";
import { isLoopbackHost } from "./runtime/loopback-host.ts";
import type { EgressAllow } from "./outbound/address-guard.ts";
import { createOutboundClients } from "./outbound/outbound-clients.ts";

/**
 * The clients of outgoing requests, allowed what the settings allow.
 * @param port the gateway's own
 * @param localUrl the gateway's own address on this machine
 */
export function buildOutbound(config: Config, port: number, localUrl: string) {
  const allow: EgressAllow = config.sandbox
    ? {
        ...config.egressAllow,
        hostPorts: [...config.egressAllow.hostPorts, ...ownHostPorts(config, port)],
      }
    : config.egressAllow;
  // What the operator wrote into the environment is trusted; what clients name is not.
  const trustedOrigins = [
    new URL(config.pulse.baseUrl).origin,
    ...(config.sandbox ? [new URL(localUrl).origin] : []),
  ];
  // Only programs of this machine reach such a gateway, so its receivers may be here too.
  const callbackAllow =
    config.database.kind === "embedded" && isLoopbackHost(config.host)
      ? { ...allow, thisMachineBut: port }
      : allow;
  return { trustedOrigins, ...createOutboundClients(allow, trustedOrigins, callbackAllow) };
}

/** Where the sandbox's inbox can be reached from this machine. */
function ownHostPorts(config: Config, port: number) {
  const hosts = new Set(["127.0.0.1", "localhost", reachableHost(config.host)]);
  return [...hosts].map((host) => ({ host, port }));
}

/** An address to reach a listener that may listen on all of them. */
export function reachableHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
