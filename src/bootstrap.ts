import { randomBytes } from "node:crypto";
import type { Config } from "./config.ts";
import { newApiKey } from "./runtime/api-key.ts";
import type { Clock } from "./runtime/clock.ts";
import type { Log } from "./runtime/log.ts";
import type { SecretBox } from "./runtime/secret-box.ts";
import { newSigningKeyPair } from "./runtime/signing-key-pair.ts";
import type { UuidSource } from "./runtime/uuid-source.ts";
import { createFirstApiKey, ensureApiKey } from "./store/api-keys.ts";
import { ensureConnection, ensureProject } from "./store/bootstrap-rows.ts";
import type { Database } from "./store/database.ts";
import { ensureSigningSecret } from "./store/signing-secrets.ts";

const PROJECT_NAME = "default";
const CONNECTION_NAME = "default";
/** Key names: what the environment gives replaces what it gave before. */
const KEY_FROM_ENVIRONMENT = "bootstrap";
const GENERATED_KEY = "generated at first start";

export interface BootstrapPorts {
  readonly database: Database;
  readonly secretBox: SecretBox;
  readonly clock: Clock;
  readonly uuids: UuidSource;
  readonly log: Pick<Log, "warn">;
}

export interface Bootstrapped {
  readonly projectId: string;
  /** A key made just now: to be shown once, since only its hash is kept. */
  readonly generatedApiKey: string | null;
}

/**
 * Makes sure of the rows without which nobody could use the gateway. Harmless when repeated.
 * @param localUrl where this process can be reached from its own machine, for the sandbox
 */
export async function bootstrap(
  ports: BootstrapPorts,
  config: Config,
  localUrl: string,
): Promise<Bootstrapped> {
  const { database, clock, uuids } = ports;
  const newId = () => uuids(clock.now(), 0);
  const projectId = await ensureProject(database, { id: newId(), name: PROJECT_NAME });
  const generatedApiKey = await bootstrapApiKey(ports, config, projectId);
  await bootstrapSigningSecret(ports, config, projectId);
  await bootstrapSigningKey(ports, projectId);
  if (config.pulse.apiKey !== null) {
    await bootstrapConnection(ports, projectId, {
      provider: "pulse",
      baseUrl: config.pulse.baseUrl,
      credential: config.pulse.apiKey,
    });
  }
  if (config.sandbox) {
    await bootstrapConnection(ports, projectId, {
      provider: "sandbox",
      baseUrl: localUrl,
      // Any will do; there is one so that replacing it, as one does after a 401, can be tried.
      credential: "sandbox",
    });
  }
  return { projectId, generatedApiKey };
}

async function bootstrapApiKey(
  { database, clock, uuids, log }: BootstrapPorts,
  config: Config,
  projectId: string,
): Promise<string | null> {
  const nowMs = clock.now();
  const shared = { id: uuids(nowMs, 0), projectId, scopes: ["admin"] as const, nowMs };
  if (config.apiKey !== null) {
    const key = { ...shared, name: KEY_FROM_ENVIRONMENT, key: config.apiKey };
    if ((await ensureApiKey(database, key)) === "revoked") {
      log.warn({}, "the key in RINGBACK_API_KEY was revoked and is refused; set another one");
    }
    return null;
  }
  const key = newApiKey();
  const isFirst = await createFirstApiKey(database, {
    ...shared,
    name: GENERATED_KEY,
    key,
    expiresAtMs: null,
  });
  return isFirst ? key : null;
}

async function bootstrapSigningSecret(
  { database, secretBox, clock, uuids }: BootstrapPorts,
  config: Config,
  projectId: string,
): Promise<void> {
  const wanted = config.signingSecret;
  const secret = wanted ?? `whsec_${randomBytes(32).toString("base64")}`;
  await ensureSigningSecret(database, {
    id: uuids(clock.now(), 0),
    projectId,
    scheme: "v1",
    sealed: secretBox.seal(secret),
    publicKey: null,
    fromEnvironment: wanted !== null,
    nowMs: clock.now(),
    isWanted: (sealed) => {
      // Opened in any case: a wrong key ring must stop the start, not the first delivery.
      const current = secretBox.open(sealed);
      return wanted === null || current === wanted;
    },
  });
}

/** There before anybody asks to be signed to with it, so that its public half can be read first. */
async function bootstrapSigningKey(
  { database, secretBox, clock, uuids }: BootstrapPorts,
  projectId: string,
): Promise<void> {
  const pair = newSigningKeyPair();
  await ensureSigningSecret(database, {
    id: uuids(clock.now(), 0),
    projectId,
    scheme: "v1a",
    sealed: secretBox.seal(pair.secret),
    publicKey: pair.publicKey,
    nowMs: clock.now(),
    isWanted: () => true,
  });
}

function bootstrapConnection(
  { database, secretBox, clock, uuids }: BootstrapPorts,
  projectId: string,
  wanted: { readonly provider: string; readonly baseUrl: string; readonly credential: string },
): Promise<void> {
  const { provider, baseUrl, credential } = wanted;
  const environment = JSON.stringify([baseUrl, credential]);
  return ensureConnection(database, {
    id: uuids(clock.now(), 0),
    projectId,
    provider,
    name: CONNECTION_NAME,
    baseUrl,
    credential: secretBox.seal(credential),
    environment: secretBox.seal(environment),
    isCurrent: (sealed) => secretBox.open(sealed) === environment,
  });
}
