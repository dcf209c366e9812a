import { z } from "@hono/zod-openapi";
import { parsePublicId, publicId, uuidV7 } from "../../core/ids/ids.ts";
import { jwkOfSigningKey } from "../../core/signing.ts";
import type { SecretBox } from "../../runtime/secrets/secret-box.ts";
import {
  newSigningKeyPair,
  publicSigningKeyOfSeed,
} from "../../runtime/secrets/new-signing-secrets.ts";
import type { UuidSource } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import {
  findPublicSigningKeys,
  type PublicSigningKey,
  type StoredSigningSecret,
} from "../../store/projects/signing-secrets.ts";
import { jsonAnswer, pageAnswer, isoTime } from "../http/answer.ts";
import type { ApiServices } from "../services.ts";
import { jwksSchema, signingKeyPageSchema, signingKeySchema } from "../http/response-schemas.ts";
import { defineRotation, overlapSchema } from "./rotation.ts";
import { defineOpenRoute } from "../http/route.ts";
import type { Route } from "../http/route.ts";
import { nameSchema } from "../subscriptions/schema.ts";

const TAG = "Signing keys";
const PROJECT_DEFAULT = "default";
/** A new key signs along with the previous one, so a copy may be a little old. */
const FOR_ALL = { "cache-control": "public, max-age=300" };

const projectParameter = z.strictObject({
  project: nameSchema.optional().openapi({
    description: "The project's id or name.",
    default: PROJECT_DEFAULT,
  }),
});

export function signingKeyRoutes(services: ApiServices, newUuid: UuidSource): Route[] {
  return [list(services), jwks(services), rotate(services, newUuid)];
}

function list(services: ApiServices): Route {
  return defineOpenRoute({
    operationId: "listSigningKeys",
    method: "GET",
    path: "/v1/signing-keys",
    tag: TAG,
    summary: "List public keys that verify v1a signatures",
    description:
      "The current one comes first. A rotated one continues to sign until it expires. Needs no " +
      "API key: a public key verifies and can't sign. Names without a project have keys here " +
      "too, which sign nothing, so that the response does not reveal which projects exist.",
    query: projectParameter,
    success: { status: 200, description: "The keys.", schema: signingKeyPageSchema },
    async handle({ query, database }) {
      const keys = await keysOf(query.project ?? PROJECT_DEFAULT, services, database);
      const items = keys.map((key) => JSON.stringify(signingKeyView(key)));
      return pageAnswer(items, null, FOR_ALL);
    },
  });
}

function jwks(services: ApiServices): Route {
  return defineOpenRoute({
    operationId: "getSigningKeySet",
    method: "GET",
    path: "/v1/signing-keys/jwks",
    tag: TAG,
    summary: "Get the public keys as a JSON Web Key Set",
    description: "RFC 7517 and 8037. `kid` is the key's id.",
    query: projectParameter,
    success: { status: 200, description: "The key set.", schema: jwksSchema },
    async handle({ query, database }) {
      const keys = await keysOf(query.project ?? PROJECT_DEFAULT, services, database);
      const set = keys.map((key) => jwkOfSigningKey(key.publicKey, publicId("signingKey", key.id)));
      return jsonAnswer(200, JSON.stringify({ keys: set }), FOR_ALL);
    },
  });
}

function rotate(services: ApiServices, newUuid: UuidSource): Route {
  const rotation = {
    operationId: "rotateSigningKey",
    path: "/v1/signing-keys/rotate",
    tag: TAG,
    summary: "Rotate the signing key",
    description:
      "As with signing secrets, earlier keys continue to sign for the overlap. A private key " +
      "never leaves the gateway.",
    schema: z.strictObject({ overlap_s: overlapSchema }).openapi("SigningKeyRotation"),
    success: { status: 200, description: "The new key.", schema: signingKeySchema },
    scheme: "v1a",
    idKind: "signingKey",
    action: "signing_key.rotated",
    create: newSigningKeyPair,
    answer: ({ publicKey, ...rotated }: StoredSigningSecret) =>
      jsonAnswer(200, JSON.stringify(signingKeyView({ ...rotated, publicKey: publicKey ?? "" }))),
  } as const;
  return defineRotation(rotation, services, newUuid);
}

async function keysOf(
  project: string,
  { clock, secretBox }: ApiServices,
  database: Database,
): Promise<readonly PublicSigningKey[]> {
  const { keys, oldestProjectAtMs } = await findPublicSigningKeys(database, {
    projectId: parsePublicId("project", project),
    projectName: project,
    nowMs: clock.now(),
  });
  return keys ?? [decoyKey(project, oldestProjectAtMs, secretBox)];
}

/** The time of the first project's creation within which a decoy seems to have been created. */
const DECOY_AGE_RANGE_MS = 3_600_000;

/** The same key each time for the same name; without the ring it can't be recognized as a decoy. */
function decoyKey(project: string, oldestProjectAtMs: number, box: SecretBox): PublicSigningKey {
  const bytes = (purpose: string): Buffer => {
    const [digest] = box.digests(purpose, project);
    return Buffer.from(digest.slice(-43), "base64url");
  };
  const about = bytes("decoy of a signing key's row");
  const createdAtMs = oldestProjectAtMs + (about.readUInt32BE(0) % DECOY_AGE_RANGE_MS);
  return {
    id: uuidV7(createdAtMs, 0, about, 4),
    publicKey: publicSigningKeyOfSeed(bytes("decoy of a signing key")),
    createdAtMs,
    expiresAtMs: null,
  };
}

function signingKeyView(of: PublicSigningKey): object {
  return {
    id: publicId("signingKey", of.id),
    object: "signing_key",
    public_key: of.publicKey,
    is_current: of.expiresAtMs === null,
    created_at: isoTime(of.createdAtMs),
    expires_at: isoTime(of.expiresAtMs),
  };
}
