import { resolve } from "node:path";
import { createApp, REQUEST_DEADLINE_MS } from "../api/app.ts";
import { WaitingRequests } from "../api/request/waiting-requests.ts";
import { RefusedKeys } from "../api/request/refused-keys.ts";
import { RequestAdmission } from "../api/request/request-admission.ts";
import { bootstrap } from "./bootstrap.ts";
import type { Config } from "../config.ts";
import { planMemory } from "../core/limits/memory-plan.ts";
import { planSockets, type SocketPlan } from "../core/limits/socket-plan.ts";
import { readinessOf } from "../core/readiness.ts";
import { buildOutbound, reachableHost } from "./egress.ts";
import { Engine } from "./engine.ts";
import { HttpServer, type HttpServerOptions } from "../api/server.ts";
import { notReadyAnswer } from "../api/http/problem.ts";
import { createAddressGuard } from "../outbound/guard/address-guard.ts";
import { checkUpstreamUrl } from "../outbound/guard/upstream-url.ts";
import { findApiKeyFile, writeApiKeyFile } from "../runtime/settings/data-dir.ts";
import type { Clock, DatabaseClock } from "../runtime/clock.ts";
import { encryptionKeys } from "../runtime/settings/encryption-keys.ts";
import type { Log } from "../runtime/process/log.ts";
import { machineMemoryBytes, openFilesMax } from "../runtime/process/machine-limits.ts";
import { Metrics } from "../runtime/metrics.ts";
import { ownIdentity } from "../runtime/process/process-identity.ts";
import type { Random, Runtime } from "../runtime/runtime.ts";
import { withDeadline } from "../runtime/request-deadline.ts";
import { ResultLinks } from "../runtime/secrets/result-links.ts";
import { hashApiKey } from "../runtime/secrets/api-key.ts";
import { createSecretBox, type SecretBox } from "../runtime/secrets/secret-box.ts";
import { createUuidSource } from "../runtime/uuid-source.ts";
import { keyCheck } from "../sandbox/key-check.ts";
import { Console } from "../console/console.ts";
import { CONSOLE_PATH } from "../console/http/services.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import { readProvidersFolder, sharedProviders } from "./shared-providers.ts";
import { openDatabase, type PooledDatabase } from "../store/db/database.ts";
import { DatabaseMonitor } from "../store/db/database-monitor.ts";
import { VIA_PREFIX } from "../via/address.ts";
import { Via } from "../via/via.ts";
import { submitThrough } from "../api/submit-through.ts";
import type { ApiServices } from "../api/services.ts";
import { startEmbeddedPostgres } from "../embedded-postgres/start.ts";
import { shardOfJob } from "../core/ids/shard.ts";
import { findLiveJobs } from "../store/jobs/find-job.ts";
import { checkMigrated, migrate } from "../store/db/migrate.ts";
import { endAllLeases } from "../store/nodes.ts";
import { setByDatabase } from "../store/db/read-clock.ts";
import { retryTransient, type RetryTransient } from "../store/db/retry-transient.ts";
import { findSigningSecrets } from "../store/projects/signing-secrets.ts";
import { CallbackUrlChecker } from "../outbound/guard/callback-url.ts";
import { settledWithin } from "../runtime/clock.ts";

const DATABASE_CONNECTIONS_MAX = 12;
const STATEMENT_TIMEOUT_MS = 15_000;
const DATABASE_CLOSE_TIMEOUT_MS = 1_000;
/** A little longer than a request may take. */
const REQUESTS_CLOSE_TIMEOUT_MS = 6_000;
/** The part of the listener's connections on which requests may wait: the rest is for all others. */
const WAITING_SHARE_MAX = 0.75;

export interface GatewayOptions {
  readonly config: Config;
  readonly clock: DatabaseClock;
  readonly random: Random;
  readonly log: Log;
  readonly version: string;
  /** Writes a generated API key to a file in the data directory, for when no person reads the terminal. */
  readonly writesApiKeyFile?: boolean;
  /** Gives up a start that is going on: what was started is stopped again. */
  readonly signal?: AbortSignal;
}

/** Information about the running gateway, for a person. */
export interface StartedGateway {
  /** Where it listens, as this machine reaches it. */
  readonly url: string;
  /** Made at the first start without RINGBACK_API_KEY; only its hash is kept. */
  readonly generatedApiKey: string | null;
  /** The file that it was written to, by this start or an earlier one. */
  readonly apiKeyFile: string | null;
  /** Where the data lies: a folder, or `DATABASE_URL`. */
  readonly database: string;
  readonly sandbox: boolean;
  /** The web console; null when it is not served. */
  readonly console: {
    readonly url: string;
    /** Signs in once, within minutes, with the key that was generated at this start; null without one. */
    readonly signInUrl: string | null;
  } | null;
  /**
   * Reports that it is not ready, and continues to serve for `drainMs`, so that load balancers notice
   * in time. Ends early when `hurried` resolves.
   */
  drain(hurried: Promise<void>): Promise<void>;
  /** Ends everything in reverse order; resolves when nothing runs any more. */
  stop(): Promise<void>;
}

/**
 * Builds every part once and starts them in order. When a step fails, what was started before it is
 * stopped again, and the error is the caller's.
 */
export async function startGateway(options: GatewayOptions): Promise<StartedGateway> {
  const started: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopping ??= stopInReverse(started, options.log));
  try {
    return { ...(await start(options, started)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Returns the file that the first API key is in. */
async function keepApiKey(
  generated: string | null,
  { config, writesApiKeyFile }: GatewayOptions,
): Promise<string | null> {
  if (generated !== null)
    return writesApiKeyFile === true ? writeApiKeyFile(config.dataDir, generated) : null;
  // The data directory of another database says nothing about this one's keys.
  const isItsOwn = config.database.kind === "embedded" && config.apiKey === null;
  return isItsOwn ? findApiKeyFile(config.dataDir) : null;
}

/** The gateway without its own `stop`; `started` grows by one step for each part to be stopped. */
async function start(
  options: GatewayOptions,
  started: (() => Promise<void>)[],
): Promise<Omit<StartedGateway, "stop">> {
  const { config, clock, random, log } = options;
  const uuids = createUuidSource();
  const metrics = new Metrics();
  const runtime: Runtime = { clock, random, log, uuids, metrics };
  const keys = await encryptionKeys(config);
  const secretBox = createSecretBox(keys);
  const definitions = await readProvidersFolder(config);
  const retry = retryTransient(runtime, options.signal);
  const database = await startDatabase(options, started, retry);
  // The socket opens before the rest is built, because the rest must know its port.
  let fetch: (request: Request, env: object | undefined) => Response | Promise<Response> =
    notReadyAnswer;
  let passOn: NonNullable<HttpServerOptions["passOn"]> = () => null;
  const sockets = planSockets(openFilesMax());
  const clientConnections = withinPlan(config.clientConnections, sockets, log);
  const server = new HttpServer(runtime, {
    fetch: (request, env) => fetch(request, env),
    passOn: (request, response) => passOn(request, response),
    host: config.host,
    port: config.port,
    stopTimeoutMs: REQUESTS_CLOSE_TIMEOUT_MS,
    connections: clientConnections,
  });
  await server.start();
  started.push(() => server.stop());
  const { port } = server.address;
  const localUrl = `http://${reachableHost(config.host)}:${port}`;
  const publicUrl = () => config.publicUrl ?? localUrl;
  const { projectId, generatedApiKey } = await bootstrap(
    { database, secretBox, clock, uuids, log, retry },
    config,
    localUrl,
  );
  const apiKeyFile = await keepApiKey(generatedApiKey, options);
  const resultLinks = new ResultLinks({ keys, ttlMs: config.resultLinkTtlMs, publicUrl });
  const outbound = buildOutbound(runtime, {
    config,
    port,
    localUrl,
    operatorProjectId: projectId,
    projectName: (id) => engine.projects.get(id)?.name ?? null,
    allowed: (id, name) => engine.projects.allowed(id, name),
    sockets,
  });
  const nodeId = uuids(clock.now(), 0);
  const memory = planMemory(config.memoryBytes ?? machineMemoryBytes());
  const engine = new Engine(runtime, {
    ...options,
    ...outbound,
    databaseClock: clock,
    database,
    secretBox,
    sharedProviders: await retry("shared providers", () =>
      sharedProviders({ config, localUrl, definitions }, { database, clock, uuids }),
    ),
    resultLinks,
    nodeId,
    memory,
    identity: ownIdentity(),
    publicUrl,
  });
  let isStopping = false;
  const drain = async (hurried: Promise<void>): Promise<void> => {
    isStopping = true;
    server.beginDraining();
    engine.endWaits();
    if (config.drainMs > 0) await settledWithin(clock, hurried, config.drainMs);
  };
  // Requests in progress end while the engine, which some of them wait for, still writes.
  started.push(async () => {
    isStopping = true;
    await Promise.all([server.stop(), engine.stop()]);
  });
  const proxies = createAddressGuard({ cidrs: config.trustedProxies, hostPorts: [] });
  const refusedKeys = new RefusedKeys({ clock, log });
  started.push(() => refusedKeys.stop());
  options.signal?.throwIfAborted();
  await engine.start(retry);
  const callbackUrls = new CallbackUrlChecker({
    guardOf: outbound.callbackGuardOf,
    trusts: outbound.trustsCallback,
    peek: (name) => outbound.resolver.peek(name),
  });
  const services: ApiServices = {
    database,
    acceptor: engine.acceptor,
    watches: engine.poller.watches,
    upstreams: engine.poller.watches.upstreams,
    poller: engine.poller,
    outbox: engine.delivery.loop.outbox,
    lanes: engine.lanes,
    inspector: engine.inspector,
    connectionLoads: engine.connectionLoads,
    statusCounter: engine.statusCounter,
    commands: engine.commands,
    redeliveries: engine.redeliveries,
    delivery: engine.delivery,
    signingKeys: engine.delivery.signingKeys,
    endingWaits: engine.endingWaits,
    eventWaits: engine.eventWaits,
    inboxes: engine.inboxes,
    inboxFeed: engine.inboxFeed,
    consumerClaims: engine.consumerClaims,
    apiKeys: engine.apiKeys,
    refusedKeys,
    admission: new RequestAdmission(engine.projects, clock),
    isTrustedProxy: (address) => proxies.exemptsAddress(address),
    connections: engine.connections,
    providers: engine.providers,
    secretBox,
    resultLinks,
    checkCallbackUrl: async (project, text) => callbackUrls.check(project, text),
    checkUpstreamUrl: (project, text, provider) =>
      checkUpstreamUrl(text, outbound.guardOf(project), (origin) =>
        outbound.operatorOrigins.trusts(
          {
            projectId: project,
            provider: provider ?? "",
            baseUrl: text,
            isOperatorsDefinition: provider !== undefined,
          },
          origin,
        ),
      ),
    readiness: () =>
      readinessOf({
        isStopping,
        database: database.health.condition,
        ...engine.state,
      }),
    metrics,
    metricsToken: config.metricsToken,
    minutes: metrics.minutes,
    nodeId,
    version: options.version,
    hasSandbox: config.sandbox,
    hasConsole: config.console,
    publicUrl,
    inlineResultBytesMax: config.inlineResultBytesMax,
    waiting: new WaitingRequests(
      engine.projects,
      clock,
      Math.floor(clientConnections.connectionsMax * WAITING_SHARE_MAX),
    ),
    requestBodiesBytesMax: memory.requestBodiesBytesMax,
    limits: engine.projects,
    projects: engine.projects,
    clock,
    log,
  };
  const app = createApp(services);
  const sandbox = config.sandbox
    ? new Sandbox({
        clock,
        random,
        baseUrl: () => localUrl,
        hosts: ownNames(config),
        mayChange: keyCheck(engine.apiKeys, clock),
        signingSecrets: () => openSigningSecrets({ database, secretBox, clock }, projectId),
      })
    : null;
  if (sandbox !== null) app.route("/sandbox", sandbox.app);
  const console = config.console
    ? new Console({
        ...services,
        sandbox,
        api: (request, bindings) => app.fetch(request, bindings),
      })
    : null;
  if (console !== null) app.route("/", console.app);
  fetch = (request, env) => app.fetch(request, env);
  const via = new Via(runtime, {
    api: submitThrough(services, {
      storeTimeoutMs: config.via.storeTimeoutMs,
      isStopping: () => isStopping,
    }),
    limits: engine.projects,
    settings: { ...config.via, heldAnswersBytesMax: memory.heldAnswersBytesMax },
    publicUrl: config.publicUrl,
    connections: engine.connections,
    providers: engine.providers,
    upstreamOf: (connectionId) => engine.poller.watches.upstream(connectionId),
    statuses: {
      watches: engine.poller.watches,
      observed: engine.poller.observed,
      findLiveJobs: (connectionId, jobId) =>
        withDeadline(clock, REQUEST_DEADLINE_MS, (deadline) => {
          const shardId = shardOfJob(connectionId, jobId);
          return findLiveJobs(database.within(deadline), { shardId, connectionId, jobId });
        }),
    },
    relay: (request, reader) => outbound.upstreamClient.relay(request, reader),
  });
  passOn = (request, response) =>
    request.url?.startsWith(VIA_PREFIX) === true ? via.handle(request, response) : null;
  return {
    url: localUrl,
    generatedApiKey,
    apiKeyFile,
    database: config.database.kind === "embedded" ? resolve(config.dataDir) : "DATABASE_URL",
    sandbox: config.sandbox,
    console: console && {
      url: `${publicUrl()}${CONSOLE_PATH}`,
      signInUrl:
        generatedApiKey && `${publicUrl()}${console.oneTimePath(hashApiKey(generatedApiKey))}`,
    },
    drain,
  };
}

/** No more connections of clients than leave the process files to open for everything else. */
function withinPlan(
  { connectionsMax, connectionsPerAddressMax }: Config["clientConnections"],
  { listener }: SocketPlan,
  log: Log,
): Config["clientConnections"] {
  if (connectionsMax > listener) {
    log.warn(
      { wanted: connectionsMax, allowed: listener },
      "the limit on open files allows fewer client connections than RINGBACK_CLIENT_CONNECTIONS_MAX; raise it with ulimit -n",
    );
  }
  return {
    connectionsMax: Math.min(connectionsMax, listener),
    connectionsPerAddressMax: Math.min(connectionsPerAddressMax, listener),
  };
}

/** The names under which a browser may ask for this gateway. */
function ownNames({ host, publicUrl }: Config): ReadonlySet<string> {
  const ofPublic = publicUrl === null ? [] : [new URL(publicUrl).hostname];
  return new Set(["localhost", host.toLowerCase(), ...ofPublic]);
}

async function startDatabase(
  { config, clock, log, signal }: GatewayOptions,
  started: (() => Promise<void>)[],
  retry: RetryTransient,
): Promise<PooledDatabase> {
  let url = config.database.kind === "external" ? config.database.url : "";
  if (config.database.kind === "embedded") {
    const postgres = await startEmbeddedPostgres({ dataDir: config.database.dataDir, log });
    started.push(() => postgres.stop());
    url = postgres.url;
  }
  signal?.throwIfAborted();
  const database = await openDatabase({
    url,
    ...(signal && { signal }),
    connectionsMax: DATABASE_CONNECTIONS_MAX,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    applicationName: "ringback",
    clock,
    log,
  });
  started.push(() => database.close(DATABASE_CLOSE_TIMEOUT_MS));
  signal?.throwIfAborted();
  if (config.migrate) await migrate(database);
  else await retry("schema", () => checkMigrated(database));
  // The data directory is this process's alone, so a process that held a lease in it is dead.
  if (config.database.kind === "embedded") await retry("leases", () => endAllLeases(database));
  await retry("connections", () => database.openConnections());
  await retry("clock", () => setByDatabase(clock, database));
  const monitor = new DatabaseMonitor({ database, clock, log });
  await monitor.start();
  started.push(() => monitor.stop());
  return database;
}

async function openSigningSecrets(
  {
    database,
    secretBox,
    clock,
  }: { readonly database: PooledDatabase; readonly secretBox: SecretBox; readonly clock: Clock },
  projectId: string,
): Promise<string[]> {
  const secrets = await withDeadline(clock, REQUEST_DEADLINE_MS, (deadline) =>
    findSigningSecrets(database.within(deadline), projectId, clock.now()),
  );
  return secrets
    .filter(({ scheme }) => scheme === "v1")
    .map(({ id, sealed }) => secretBox.open(sealed, { column: "signing_secrets.secret", id }));
}

async function stopInReverse(started: (() => Promise<void>)[], log: Log): Promise<void> {
  for (const stopOne of started.toReversed()) {
    try {
      await stopOne();
    } catch (error) {
      log.error({ err: error }, "part of the gateway did not stop cleanly");
    }
  }
}
