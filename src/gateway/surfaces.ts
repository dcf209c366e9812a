import { createApp, REQUEST_DEADLINE_MS } from "../api/app.ts";
import type { RefusedKeys } from "../api/request/refused-keys.ts";
import { RequestAdmission } from "../api/request/request-admission.ts";
import { WaitingRequests } from "../api/request/waiting-requests.ts";
import type { ApiServices } from "../api/services.ts";
import { submitThrough } from "../api/submit-through.ts";
import type { Config } from "../config.ts";
import { Console } from "../console/console.ts";
import { shardOfJob } from "../core/ids/ids.ts";
import { readinessOf } from "../core/readiness.ts";
import { createAddressGuard } from "../outbound/guard/address-guard.ts";
import { CallbackUrlChecker, checkUpstreamUrl } from "../outbound/guard/callback-url.ts";
import type { UrlCheck } from "../outbound/guard/url-check.ts";
import { withDeadline } from "../runtime/request-deadline.ts";
import { collectYoung, PassedBuffers } from "../runtime/process/heap.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { keyCheck } from "../sandbox/access.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import { findLiveJobs } from "../store/jobs/find-job.ts";
import { findSigningSecrets } from "../store/projects/signing-secrets.ts";
import { VIA_PREFIX } from "../via/address.ts";
import { Via } from "../via/via.ts";
import type { buildOutbound } from "./egress.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import type { Handlers, Listener } from "./listener.ts";

/** The part of the listener's connections on which requests may wait: the rest is for all others. */
const WAITING_SHARE_MAX = 0.75;

interface SurfacesOptions
  extends
    ReturnType<typeof buildOutbound>,
    Pick<
      EngineOptions,
      | "config"
      | "database"
      | "secretBox"
      | "resultLinks"
      | "nodeId"
      | "memory"
      | "version"
      | "publicUrl"
    > {
  readonly engine: Engine;
  readonly refusedKeys: RefusedKeys;
  readonly listener: Pick<Listener, "connections" | "localUrl">;
  /** The project whose signing secrets the sandbox's receiver verifies with. */
  readonly operatorProjectId: string;
  readonly isStopping: () => boolean;
}

/** Everything that clients reach: the API, the sandbox, the console, and `/via`. */
export function buildSurfaces(
  runtime: Runtime,
  options: SurfacesOptions,
): { readonly handlers: Handlers; readonly console: Console | null } {
  const { config } = options;
  const services = apiServices(runtime, options);
  const app = createApp(services);
  const sandbox = config.sandbox ? buildSandbox(runtime, options) : null;
  if (sandbox !== null) app.route("/sandbox", sandbox.app);
  const console = config.console ? new Console({ ...services, sandbox, api: app.fetch }) : null;
  if (console !== null) app.route("/", console.app);
  const via = buildVia(runtime, options, services);
  return {
    console,
    handlers: {
      fetch: app.fetch,
      passOn: (request, response) =>
        request.url?.startsWith(VIA_PREFIX) === true ? via.handle(request, response) : null,
    },
  };
}

function apiServices({ clock, log, metrics }: Runtime, options: SurfacesOptions): ApiServices {
  const { config, database, engine, listener, memory } = options;
  const { secretBox, resultLinks, refusedKeys, nodeId, version, publicUrl } = options;
  const { poller, delivery, intake, views, waits } = engine;
  const { apiKeys, connections, projects, providers } = engine.directories;
  const proxies = createAddressGuard({ cidrs: config.trustedProxies, hostPorts: [] });
  const { callbackGuardOf, trustsCallback, resolver } = options;
  const callbackUrls = new CallbackUrlChecker(callbackGuardOf, trustsCallback, resolver);
  const admission = new RequestAdmission(projects, clock, { crowd: engine.loopCrowd });
  metrics.gauge(
    "ringback_requests_waiting_for_loop",
    "Requests that wait for their project's turn of the event loop.",
    () => admission.requestsWaiting,
  );
  return {
    database,
    acceptor: intake.acceptor,
    watches: poller.watches,
    upstreams: poller.watches.upstreams,
    poller,
    outbox: delivery.loop.outbox,
    lanes: views.lanes,
    inspector: views.inspector,
    connectionLoads: views.connectionLoads,
    statusCounter: engine.statusCounter,
    commands: intake.commands,
    redeliveries: engine.redeliveries,
    delivery,
    signingKeys: delivery.signingKeys,
    endingWaits: waits.endings,
    eventWaits: waits.events,
    inboxes: intake.inboxes,
    inboxFeed: waits.inboxFeed,
    consumerClaims: waits.consumerClaims,
    apiKeys,
    refusedKeys,
    admission,
    isTrustedProxy: (address) => proxies.exemptsAddress(address),
    connections,
    providers,
    secretBox,
    resultLinks,
    checkCallbackUrl: async (projectId, text) => callbackUrls.check(projectId, text),
    checkUpstreamUrl: (...url) => checkUrlOfUpstream(options, ...url),
    readiness: () =>
      readinessOf({
        isStopping: options.isStopping(),
        database: database.health.condition,
        ...engine.state,
      }),
    metrics,
    metricsToken: config.metricsToken,
    minutes: metrics.minutes,
    nodeId,
    version,
    hasSandbox: config.sandbox,
    hasConsole: config.console,
    publicUrl,
    inlineResultBytesMax: config.inlineResultBytesMax,
    waiting: new WaitingRequests(
      projects,
      clock,
      Math.floor(listener.connections.connectionsMax * WAITING_SHARE_MAX),
    ),
    requestBodiesBytesMax: memory.requestBodiesBytesMax,
    limits: projects,
    projects,
    clock,
    log,
  };
}

function checkUrlOfUpstream(
  { guardOf, operatorOrigins }: Pick<SurfacesOptions, "guardOf" | "operatorOrigins">,
  projectId: string,
  text: string,
  provider?: string,
): UrlCheck {
  const connection = {
    projectId,
    provider: provider ?? "",
    baseUrl: text,
    isOperatorsDefinition: provider !== undefined,
  };
  return checkUpstreamUrl(text, guardOf(projectId), (origin) =>
    operatorOrigins.trusts(connection, origin),
  );
}

function buildSandbox(
  runtime: Runtime,
  { config, engine, listener, ...options }: SurfacesOptions,
): Sandbox {
  const { clock } = runtime;
  return new Sandbox(runtime, {
    baseUrl: () => listener.localUrl,
    hosts: ownNames(config),
    mayChange: keyCheck(engine.directories.apiKeys, clock),
    signingSecrets: () => openSigningSecrets(clock, options),
  });
}

function buildVia(runtime: Runtime, options: SurfacesOptions, services: ApiServices): Via {
  const { config, database, engine, memory, upstreamClient } = options;
  const { connections, projects, providers } = engine.directories;
  return new Via(runtime, {
    api: submitThrough(services, {
      storeTimeoutMs: config.via.storeTimeoutMs,
      isStopping: options.isStopping,
    }),
    limits: projects,
    settings: { ...config.via, heldAnswersBytesMax: memory.heldAnswersBytesMax },
    publicUrl: config.publicUrl,
    connections,
    providers,
    upstreamOf: (connectionId) => engine.poller.watches.upstream(connectionId),
    statuses: {
      latest: engine.views.statuses,
      findLiveJobs: (connectionId, jobId) =>
        withDeadline(runtime.clock, REQUEST_DEADLINE_MS, (deadline) => {
          const shardId = shardOfJob(connectionId, jobId);
          return findLiveJobs(database.within(deadline), { shardId, connectionId, jobId });
        }),
    },
    relay: (request, reader) => upstreamClient.relay(request, reader),
    buffers: new PassedBuffers(collectYoung),
  });
}

/** The names under which a browser may ask for this gateway. */
function ownNames({ host, publicUrl }: Config): ReadonlySet<string> {
  const ofPublic = publicUrl === null ? [] : [new URL(publicUrl).hostname];
  return new Set(["localhost", host.toLowerCase(), ...ofPublic]);
}

async function openSigningSecrets(
  clock: Runtime["clock"],
  {
    database,
    secretBox,
    operatorProjectId,
  }: Pick<SurfacesOptions, "database" | "secretBox" | "operatorProjectId">,
): Promise<string[]> {
  const secrets = await withDeadline(clock, REQUEST_DEADLINE_MS, (deadline) =>
    findSigningSecrets(database.within(deadline), operatorProjectId, clock.now()),
  );
  return secrets
    .filter(({ scheme }) => scheme === "v1")
    .map(({ id, sealed }) => secretBox.open(sealed, { column: "signing_secrets.secret", id }));
}
