import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import { newApiKey } from "../../runtime/secrets/api-key.ts";
import type { UuidSource } from "../../runtime/runtime.ts";
import {
  apiKeyCreated,
  createApiKey,
  listApiKeys,
  revokeApiKey,
} from "../../store/projects/api-keys.ts";
import type { StoredApiKey } from "../../store/projects/api-keys.ts";
import { jsonAnswer, NO_CONTENT, isoTime } from "../http/answer.ts";
import { newKeySchema } from "./schema.ts";
import { auditedRequest } from "./audit-log.ts";
import { defineCreatingRoute } from "../http/creating-route.ts";
import { defineListRoute } from "../http/list-route.ts";
import { stockRefusal } from "../http/limit-refusal.ts";
import { pagingParameters } from "../request/list-query.ts";
import type { ApiServices } from "../services.ts";
import { problemOfParts } from "../http/problem.ts";
import { apiKeyPageSchema, newApiKeySchema } from "../http/response-schemas.ts";
import { defineRoute, notFound } from "../http/route.ts";
import type { Route } from "../http/route.ts";

const TAG = "API keys";
const BODY_BYTES_MAX = 16 * 1024;

export function apiKeyRoutes(services: ApiServices, newUuid: UuidSource): Route[] {
  return [list(), create(services, newUuid), revoke(services)];
}

function list(): Route {
  return defineListRoute({
    operationId: "listApiKeys",
    path: "/v1/api-keys",
    tag: TAG,
    summary: "List API keys, newest first",
    scope: "admin",
    query: z.strictObject(pagingParameters),
    schema: apiKeyPageSchema,
    find: (wanted, { database }) => listApiKeys(database, wanted),
    items: (rows) => rows.map((key) => JSON.stringify(apiKeyView(key))),
  });
}

function create(services: ApiServices, newUuid: UuidSource): Route {
  return defineCreatingRoute(services, {
    operationId: "createApiKey",
    path: "/v1/api-keys",
    tag: TAG,
    summary: "Create an API key",
    description: "The key is shown only in this response; only its hash is stored.",
    scope: "admin",
    body: { schema: newKeySchema, bytesMax: BODY_BYTES_MAX },
    success: { status: 201, description: "The key.", schema: newApiKeySchema },
    problems: ["project_limit_reached"],
    async handle(request) {
      const { database, body } = request;
      const { projectId } = request.caller;
      const nowMs = services.clock.now();
      const expiresAtMs = body.expires_at === undefined ? null : Date.parse(body.expires_at);
      if (expiresAtMs !== null && !(expiresAtMs > nowMs)) {
        const part = { pointer: "/expires_at", detail: "Must be in the future." };
        return { ok: false, problem: problemOfParts("validation_failed", [part]) };
      }
      const refusal = await stockRefusal("api_keys", { projectId, database }, services);
      if (refusal !== null) return refusal;
      const key = newApiKey();
      const { name, scopes } = body;
      const id = newUuid(nowMs, 0);
      return auditedRequest(services, request, "create-api-key", (within, note) =>
        request.once(within, async () => {
          const created = { id, projectId, name, key, scopes, nowMs, expiresAtMs };
          await createApiKey(within, created);
          note(apiKeyCreated(created));
          const stored = { id, projectId, name, scopes, createdAtMs: nowMs, expiresAtMs };
          const view = { ...apiKeyView({ ...stored, revokedAtMs: null }), key };
          return jsonAnswer(201, JSON.stringify(view), { "cache-control": "no-store" });
        }),
      );
    },
  });
}

function revoke(services: ApiServices): Route {
  return defineRoute({
    operationId: "revokeApiKey",
    method: "DELETE",
    path: "/v1/api-keys/{id}",
    tag: TAG,
    summary: "Revoke an API key",
    description: "Takes effect at once on this node, and within a second on the others.",
    scope: "admin",
    idKind: "apiKey",
    success: { status: 204, description: "API key revoked (idempotent)." },
    async handle(request) {
      const { id } = request;
      const { projectId } = request.caller;
      const nowMs = services.clock.now();
      const name = "revoke-api-key";
      const revoked = await auditedRequest(services, request, name, async (within, note) => {
        const key = await revokeApiKey(within, { projectId, id, nowMs });
        if (key === null) return null;
        const details = { name: key.name };
        note({ action: "api_key.revoked", subject: publicId("apiKey", id), details });
        return key;
      });
      if (revoked === null) return notFound("apiKey", publicId("apiKey", id));
      services.apiKeys.take(revoked);
      return NO_CONTENT;
    },
  });
}

function apiKeyView(of: StoredApiKey): object {
  return {
    id: publicId("apiKey", of.id),
    object: "api_key",
    name: of.name,
    scopes: of.scopes,
    created_at: isoTime(of.createdAtMs),
    expires_at: isoTime(of.expiresAtMs),
    revoked_at: isoTime(of.revokedAtMs),
  };
}
