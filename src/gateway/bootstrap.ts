import type { Config } from "../config.ts";
import type { SecretBox } from "../runtime/secrets/secret-box.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { ensureConnection, ensureProject } from "../store/projects/bootstrap-rows.ts";
import type { Database } from "../store/db/database.ts";
import type { RetryTransient } from "../store/db/retry-transient.ts";
import { publicId } from "../core/ids/ids.ts";
import { newApiKey } from "../runtime/secrets/api-key.ts";
import { newSigningKeyPair, newSigningSecret } from "../runtime/secrets/new-signing-secrets.ts";
import { audited, type AuditNote } from "../store/projects/audit-log.ts";
import { apiKeyCreated, createFirstApiKey, ensureApiKey } from "../store/projects/api-keys.ts";
import { ensureSigningSecret } from "../store/projects/signing-secrets.ts";

const PROJECT_NAME = "default";
const CONNECTION_NAME = "default";
/** Key names: what the environment gives replaces what it gave before. */
const KEY_FROM_ENVIRONMENT = "bootstrap";
const GENERATED_KEY = "generated at first start";

interface BootstrapOptions extends Runtime {
  readonly database: Database;
  readonly secretBox: SecretBox;
  readonly retry: RetryTransient;
}

/**
 * Creates the rows that a usable gateway needs. Idempotent.
 * @param localUrl where this process can be reached from its own machine, for the sandbox
 */
export async function bootstrap(
  ports: BootstrapOptions,
  config: Config,
  localUrl: string,
): Promise<{
  readonly projectId: string;
  /** A key made just now: to be shown once, since only its hash is kept. */
  readonly generatedApiKey: string | null;
}> {
  const { database, clock, uuids, retry } = ports;
  const newId = () => uuids(clock.now(), 0);
  const projectId = await retry("default project", () =>
    ensureProject(database, { id: newId(), name: PROJECT_NAME }),
  );
  const generatedApiKey = await bootstrapApiKey(ports, config, projectId);
  await retry("signing secret", () => bootstrapSigningSecret(ports, config, projectId));
  await retry("signing key", () => bootstrapSigningKey(ports, projectId));
  const { apiKey: credential, baseUrl } = config.pulse;
  if (credential !== null) {
    const pulse = { provider: "pulse", baseUrl, credential };
    await retry("connection of PULSE_API_KEY", () => bootstrapConnection(ports, projectId, pulse));
  }
  if (config.sandbox) {
    // Any credential will do; there is one so that replacing it, as one does after a 401, can be tried.
    const sandbox = { provider: "sandbox", baseUrl: localUrl, credential: "sandbox" };
    await retry("connection of the sandbox", () => bootstrapConnection(ports, projectId, sandbox));
  }
  return { projectId, generatedApiKey };
}

/** Changes what the settings say otherwise than the database, with entries in the audit log. */
function audit<T>(
  { database, clock, uuids, log }: BootstrapOptions,
  name: string,
  work: (within: Database, note: (change: AuditNote) => void) => Promise<T>,
): Promise<T> {
  const actor = { kind: "operator", command: "start" } as const;
  return audited(database, name, { actor, newId: () => uuids(clock.now(), 0), log }, work);
}

async function bootstrapApiKey(
  ports: BootstrapOptions,
  config: Config,
  projectId: string,
): Promise<string | null> {
  const { clock, uuids, log } = ports;
  const nowMs = clock.now();
  const scopes = ["admin"] as const;
  const shared = { id: uuids(nowMs, 0), projectId, scopes, nowMs, expiresAtMs: null };
  const { apiKey } = config;
  if (apiKey !== null) {
    const outcome = await ports.retry("key of RINGBACK_API_KEY", () =>
      audit(ports, "bootstrap-api-key", async (within, note) => {
        const key = { ...shared, name: KEY_FROM_ENVIRONMENT, key: apiKey };
        const ensured = await ensureApiKey(within, key);
        if (ensured === "added") note(apiKeyCreated(key));
        return ensured;
      }),
    );
    if (outcome === "revoked") {
      log.warn({}, "the key in RINGBACK_API_KEY was revoked and is refused; set another one");
    }
    return null;
  }
  const key = newApiKey();
  // Not repeated: after a commit whose answer was lost, the stored key would be one that was never shown.
  const isFirst = await audit(ports, "bootstrap-api-key", async (within, note) => {
    const first = { ...shared, name: GENERATED_KEY, key };
    const isCreated = await createFirstApiKey(within, first);
    if (isCreated) note(apiKeyCreated(first));
    return isCreated;
  });
  return isFirst ? key : null;
}

async function bootstrapSigningSecret(
  ports: BootstrapOptions,
  config: Config,
  projectId: string,
): Promise<void> {
  const { secretBox } = ports;
  const wanted = config.signingSecret;
  const secret = wanted ?? newSigningSecret();
  const id = ports.uuids(ports.clock.now(), 0);
  await ensureAudited(ports, projectId, {
    id,
    scheme: "v1",
    sealed: secretBox.seal(secret, { column: "signing_secrets.secret", id }),
    publicKey: null,
    fromEnvironment: wanted !== null,
    isWanted: (stored) => {
      // Opened in any case: a wrong key ring must stop the start, not the first delivery.
      const place = { column: "signing_secrets.secret", id: stored.id } as const;
      const current = secretBox.open(stored.sealed, place);
      return wanted === null || current === wanted;
    },
  });
}

/** There before anybody asks to be signed to with it, so that its public half can be read first. */
async function bootstrapSigningKey(ports: BootstrapOptions, projectId: string): Promise<void> {
  const pair = newSigningKeyPair();
  const id = ports.uuids(ports.clock.now(), 0);
  await ensureAudited(ports, projectId, {
    id,
    scheme: "v1a",
    sealed: ports.secretBox.seal(pair.secret, { column: "signing_secrets.secret", id }),
    publicKey: pair.publicKey,
    isWanted: () => true,
  });
}

function ensureAudited(
  ports: BootstrapOptions,
  projectId: string,
  secret: Omit<Parameters<typeof ensureSigningSecret>[1], "projectId" | "nowMs">,
): Promise<void> {
  const nowMs = ports.clock.now();
  const { id } = secret;
  return audit(ports, "bootstrap-signing-secret", async (within, note) => {
    const sealed = await ensureSigningSecret(within, { ...secret, projectId, nowMs });
    if (sealed !== secret.sealed) return;
    note(
      secret.scheme === "v1"
        ? { projectId, action: "signing_secret.rotated", subject: publicId("signingSecret", id) }
        : { projectId, action: "signing_key.rotated", subject: publicId("signingKey", id) },
    );
  });
}

function bootstrapConnection(
  ports: BootstrapOptions,
  projectId: string,
  wanted: { readonly provider: string; readonly baseUrl: string; readonly credential: string },
): Promise<void> {
  const { secretBox, clock, uuids } = ports;
  const { provider, baseUrl, credential } = wanted;
  const environment = JSON.stringify([baseUrl, credential]);
  const name = CONNECTION_NAME;
  return audit(ports, "bootstrap-connection", async (within, note) => {
    const isNews = await ensureConnection(within, {
      id: uuids(clock.now(), 0),
      projectId,
      provider,
      name,
      baseUrl,
      sealedFor: (id) => ({
        credential: secretBox.seal(credential, { column: "connections.credential", id }),
        environment: secretBox.seal(environment, { column: "connections.environment", id }),
      }),
      isCurrent: ({ id, environment: sealed }) =>
        secretBox.open(sealed, { column: "connections.environment", id }) === environment,
    });
    const details = { fields: ["base_url", "credential"] };
    const subject = `${provider}/${name}`;
    if (isNews) note({ projectId, action: "connection.changed", subject, details });
  });
}
