import { resolve } from "node:path";
import { RefusedKeys } from "../api/request/refused-keys.ts";
import type { Config } from "../config.ts";
import type { Console } from "../console/console.ts";
import { CONSOLE_PATH } from "../console/http/services.ts";
import { planMemory } from "../core/limits/machine-plan.ts";
import { type DatabaseClock, settledWithin } from "../runtime/clock.ts";
import { Metrics } from "../runtime/metrics.ts";
import type { Log } from "../runtime/process/log.ts";
import { machineMemoryBytes } from "../runtime/process/machine-limits.ts";
import { ownIdentity } from "../runtime/process/process-identity.ts";
import { type Random, type Runtime, createUuidSource } from "../runtime/runtime.ts";
import { hashApiKey } from "../runtime/secrets/api-key.ts";
import { ResultLinks } from "../runtime/secrets/result-links.ts";
import { createSecretBox } from "../runtime/secrets/secret-box.ts";
import { findApiKeyFile, writeApiKeyFile } from "../runtime/settings/data-dir.ts";
import { encryptionKeys } from "../runtime/settings/encryption-keys.ts";
import { retryTransient } from "../store/db/retry-transient.ts";
import { bootstrap } from "./bootstrap.ts";
import { buildOutbound } from "./egress.ts";
import { Engine } from "./engine.ts";
import { Listener } from "./listener.ts";
import { readProvidersFolder, sharedProviders } from "./shared-providers.ts";
import { startDatabase } from "./start-database.ts";
import { buildSurfaces } from "./surfaces.ts";

interface GatewayOptions {
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
  const { config, clock, random, log, signal } = options;
  const uuids = createUuidSource();
  const runtime: Runtime = { clock, random, log, uuids, metrics: new Metrics() };
  const keys = await encryptionKeys(config);
  const secretBox = createSecretBox(keys);
  const definitions = await readProvidersFolder(config);
  const retry = retryTransient(runtime, signal);
  const database = await startDatabase(options, started, retry);
  const listener = await openListener(runtime, config, started);
  const { localUrl } = listener;
  const publicUrl = (): string => config.publicUrl ?? localUrl;
  const { projectId, generatedApiKey } = await bootstrap(
    { ...runtime, database, secretBox, retry },
    config,
    localUrl,
  );
  const apiKeyFile = await keepApiKey(generatedApiKey, options);
  const outbound = buildOutbound(runtime, {
    config,
    port: listener.port,
    localUrl,
    operatorProjectId: projectId,
    projectName: (id) => engine.directories.projects.get(id)?.name ?? null,
    allowed: (id, name) => engine.directories.projects.allowed(id, name),
    sockets: listener.sockets,
  });
  const parts = {
    ...outbound,
    config,
    version: options.version,
    databaseClock: clock,
    database,
    secretBox,
    resultLinks: new ResultLinks({ keys, ttlMs: config.resultLinkTtlMs, publicUrl }),
    nodeId: runtime.uuids(clock.now(), 0),
    memory: planMemory(config.memoryBytes ?? machineMemoryBytes()),
    publicUrl,
  };
  const engine = new Engine(runtime, {
    ...parts,
    identity: ownIdentity(),
    sharedProviders: await retry("shared providers", () =>
      sharedProviders(runtime, database, { config, localUrl, definitions }),
    ),
  });
  let isStopping = false;
  // Requests in progress end while the engine, which some of them wait for, still writes.
  started.push(async () => {
    isStopping = true;
    await Promise.all([listener.stop(), engine.stop()]);
  });
  const refusedKeys = new RefusedKeys({ clock, log });
  started.push(() => refusedKeys.stop());
  signal?.throwIfAborted();
  await engine.start(retry);
  const surfaces = buildSurfaces(runtime, {
    ...parts,
    engine,
    refusedKeys,
    listener,
    operatorProjectId: projectId,
    isStopping: () => isStopping,
  });
  listener.serve(surfaces.handlers);
  return {
    url: localUrl,
    generatedApiKey,
    apiKeyFile,
    database: config.database.kind === "embedded" ? resolve(config.dataDir) : "DATABASE_URL",
    sandbox: config.sandbox,
    console: surfaces.console && consoleAt(publicUrl(), surfaces.console, generatedApiKey),
    drain: async (hurried) => {
      isStopping = true;
      listener.beginDraining();
      engine.endWaits();
      if (config.drainMs > 0) await settledWithin(clock, hurried, config.drainMs);
    },
  };
}

async function openListener(
  runtime: Runtime,
  config: Config,
  started: (() => Promise<void>)[],
): Promise<Listener> {
  const listener = new Listener(runtime, config);
  await listener.open();
  started.push(() => listener.stop());
  return listener;
}

function consoleAt(
  publicUrl: string,
  console: Console,
  generatedApiKey: string | null,
): StartedGateway["console"] {
  return {
    url: `${publicUrl}${CONSOLE_PATH}`,
    signInUrl: generatedApiKey && `${publicUrl}${console.oneTimePath(hashApiKey(generatedApiKey))}`,
  };
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
