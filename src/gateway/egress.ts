import type { Config } from "../config.ts";
import { isLoopbackHost } from "../runtime/loopback-host.ts";
import type { ProjectLimitName, ProjectLimits } from "../core/limits/project-limits.ts";
import type { SocketPlan } from "../core/limits/machine-plan.ts";
import { lookup as askSystem } from "node:dns/promises";
import { FairSemaphore } from "../lanes/shares/fair-semaphore.ts";
import type { SharedResource } from "../lanes/shares/shared-resources.ts";
import { dnsQuery } from "../outbound/names/dns-query.ts";
import { NameResolver } from "../outbound/names/name-resolver.ts";
import { ResolverFiles } from "../outbound/names/resolver-files.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { createOutboundClients } from "../outbound/outbound-clients.ts";
import type { OutboundRequest } from "../outbound/exchange/request-outcome.ts";
import { ProjectGuards } from "../outbound/guard/project-guards.ts";
import { OperatorOrigins } from "../outbound/guard/operator-origins.ts";

interface EgressOptions {
  readonly config: Config;
  /** The gateway's own port, and its address on this machine. */
  readonly port: number;
  readonly localUrl: string;
  /** The project that the connections of the environment belong to. */
  readonly operatorProjectId: string;
  /** Null for a project that this node does not know yet. */
  readonly projectName: (projectId: string) => string | null;
  readonly allowed: ProjectLimits["allowed"];
  readonly sockets: SocketPlan;
}

/** Queries cost a socket or two each, and a slow one three seconds. */
const LOOKUPS_AT_ONCE_MAX = 64;
/** Each is a connection that waits, of which there are fewer. */
const LOOKUPS_WAITING_MAX = 10_000;
/** Connections that are being opened each way: each takes a TLS handshake's time of the event loop. */
const OPENING_AT_ONCE_MAX = 512;

/** The clients of outgoing requests, and where the settings let each project send them. */
export function buildOutbound(runtime: Pick<Runtime, "clock">, options: EgressOptions) {
  const { config, port, localUrl, operatorProjectId, projectName, allowed, sockets } = options;
  const { egressAllow } = config;
  // Only programs of this machine reach such a gateway, so its receivers may be here too.
  const isThisMachineOnly = config.database.kind === "embedded" && isLoopbackHost(config.host);
  const callbackAllow = isThisMachineOnly
    ? { ...egressAllow, everybody: { ...egressAllow.everybody, thisMachineBut: port } }
    : egressAllow;
  const guards = new ProjectGuards(egressAllow, projectName);
  const callbackGuards = new ProjectGuards(callbackAllow, projectName);
  const operatorOrigins = new OperatorOrigins(operatorProjectId, [
    { provider: "pulse", origin: new URL(config.pulse.baseUrl).origin },
    ...(config.sandbox ? [{ provider: "sandbox", origin: new URL(localUrl).origin }] : []),
  ]);
  const inboxes = config.sandbox ? sandboxInboxes(config, port) : new Set<string>();
  const trustsCallback = ({ origin, path }: Pick<OutboundRequest, "origin" | "path">): boolean =>
    inboxes.has(origin) && SANDBOX_INBOX.test(path);
  const turns = egressTurns(allowed, sockets);
  const resolver = buildResolver(runtime, options, turns.lookups);
  const clients = createOutboundClients(runtime, {
    lookup: resolver.lookup,
    upstreamConnections: turns.upstreamConnections,
    callbackConnections: turns.callbackConnections,
    upstreamOpening: turns.upstreamOpening,
    callbackOpening: turns.callbackOpening,
    bytesPerSecondMin: config.transferBytesPerSecondMin,
    guardOf: (projectId) => guards.of(projectId),
    callbackGuardOf: (projectId) => callbackGuards.of(projectId),
    trustsCallback,
  });
  return {
    ...clients,
    resolver,
    turns: {
      name_lookups: turns.lookups,
      upstream_connections: turns.upstreamConnections,
      callback_connections: turns.callbackConnections,
      connections_opening: {
        heldBy: (projectId: string) =>
          Math.max(
            turns.upstreamOpening.heldBy(projectId),
            turns.callbackOpening.heldBy(projectId),
          ),
      },
    },
    operatorOrigins,
    trustsCallback,
    guardOf: (projectId: string) => guards.of(projectId),
    callbackGuardOf: (projectId: string) => callbackGuards.of(projectId),
  };
}

/** The shared resources of outgoing requests, for which projects take turns. */
export function egressTurns(allowed: ProjectLimits["allowed"], sockets: SocketPlan) {
  const connections = (
    resource: SharedResource,
    permitsMax: number,
    limit: ProjectLimitName,
  ): FairSemaphore =>
    new FairSemaphore({
      resource,
      permitsMax,
      permitsPerProjectMax: (projectId) => allowed(projectId, limit),
      // One for each origin that requests wait for.
      waitingPerProjectMax: Infinity,
    });
  return {
    lookups: new FairSemaphore({
      resource: "name_lookups",
      permitsMax: LOOKUPS_AT_ONCE_MAX,
      permitsPerProjectMax: (projectId) => allowed(projectId, "name_lookups"),
      waitingPerProjectMax: LOOKUPS_WAITING_MAX,
    }),
    upstreamConnections: connections(
      "upstream_connections",
      sockets.upstream,
      "upstream_connections",
    ),
    callbackConnections: connections(
      "callback_connections",
      sockets.callback,
      "callback_connections",
    ),
    upstreamOpening: connections(
      "upstream_connections_opening",
      OPENING_AT_ONCE_MAX,
      "connections_opening",
    ),
    callbackOpening: connections(
      "callback_connections_opening",
      OPENING_AT_ONCE_MAX,
      "connections_opening",
    ),
  };
}

function buildResolver(
  { clock }: Pick<Runtime, "clock">,
  { config }: EgressOptions,
  turns: FairSemaphore,
): NameResolver {
  return new NameResolver(
    { clock },
    {
      turns,
      files: new ResolverFiles({ clock }),
      ask: dnsQuery(clock, config.nameServers),
      askSystem: async (host) => {
        const answers = await askSystem(host, { all: true });
        return answers.map(({ address }) => address);
      },
    },
  );
}

/** Callbacks to it are taken and shown; nothing else of the gateway is to be called back. */
const SANDBOX_INBOX = /^\/sandbox\/inbox(?:[/?]|$)/;

/** Origins under which the sandbox's inbox is reached from this machine. */
function sandboxInboxes(config: Config, port: number): ReadonlySet<string> {
  const hosts = ["127.0.0.1", "localhost", reachableHost(config.host)];
  return new Set(hosts.map((host) => new URL(`http://${host}:${port}`).origin));
}

/** An address to reach a listener that may listen on all of them. */
export function reachableHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
