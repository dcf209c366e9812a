import { parsePublicId, publicId } from "../../core/ids/ids.ts";
import { z } from "@hono/zod-openapi";
import { createUuidSource } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import { changeProjectSettings } from "../../store/projects/manage-projects.ts";
import {
  addConsoleLink,
  listConsoleLinks,
  revokeConsoleLink,
  type StoredConsoleLink,
} from "../../store/projects/console-links.ts";
import { findSubscription } from "../../store/subscriptions/subscription-record.ts";
import type { ApiServices } from "../services.ts";
import { jsonAnswer, NO_CONTENT, isoTime } from "../http/answer.ts";
import { scopeRefusal } from "../http/auth.ts";
import { defineCreatingRoute } from "../http/creating-route.ts";
import { stockRefusal } from "../http/limit-refusal.ts";
import { problemOfParts } from "../http/problem.ts";
import { defineListRoute } from "../http/list-route.ts";
import { pagingParameters } from "../request/list-query.ts";
import { defineRoute, notFound, type Route } from "../http/route.ts";
import { auditedRequest, type NotedChange } from "../projects/audit-log.ts";
import { type ConsoleLink, type LinkLimit, sealLink } from "./link.ts";
import { consoleLinkPageSchema, consoleLinkRequestSchema, newConsoleLinkSchema } from "./schema.ts";

const TAG = "Console links";
const BODY_BYTES_MAX = 16 * 1024;
/** Below the gateway's address; the console serves it. */
const LINKS_PATH = "/console/links";

const newUuid = createUuidSource();

/** @param services of a gateway that serves the console */
export function consoleLinkRoutes(services: ApiServices): Route[] {
  return [list(services), create(services), revokeOne(services), revoke(services)];
}

function list(services: ApiServices): Route {
  return defineListRoute({
    operationId: "listConsoleLinks",
    path: "/v1/console-links",
    tag: TAG,
    summary: "List links to the console, newest first",
    description:
      "Each link's scope and expiry, without the link itself. A link is listed until a day after its end.",
    scope: "admin",
    query: z.strictObject(pagingParameters),
    schema: consoleLinkPageSchema,
    find: (wanted, { database }) => listConsoleLinks(database, wanted),
    items: (rows) => rows.map((row) => JSON.stringify(linkView(row, services))),
  });
}

function linkView(of: StoredConsoleLink, { projects }: Pick<ApiServices, "projects">): object {
  const { subscriptionId, createdAtMs } = of;
  const allFromMs = projects.get(of.projectId)?.settings.console_links_from_ms ?? 0;
  const revokedWithAllMs = createdAtMs < allFromMs ? allFromMs : null;
  return {
    id: publicId("consoleLink", of.id),
    object: "console_link",
    subscription_id: subscriptionId === null ? null : publicId("subscription", subscriptionId),
    metadata: of.metadata,
    may_redeliver: of.mayRedeliver,
    expires_at: isoTime(of.expiresAtMs),
    created_by: publicId("apiKey", of.keyId),
    created_at: isoTime(createdAtMs),
    revoked_at: isoTime(of.revokedAtMs ?? revokedWithAllMs),
  };
}

function create(services: ApiServices): Route {
  return defineCreatingRoute(services, {
    operationId: "createConsoleLink",
    path: "/v1/console-links",
    tag: TAG,
    summary: "Create a link to the console",
    description:
      "For somebody without an API key: it shows a part of the project for a limited time. Pages " +
      "of the origins in the project's frame_ancestors can show it in a frame. It ends early when " +
      "the key that made it is revoked, or with DELETE /v1/console-links.",
    scope: "subscriptions:read",
    body: { schema: consoleLinkRequestSchema, bytesMax: BODY_BYTES_MAX },
    success: { status: 201, description: "The link.", schema: newConsoleLinkSchema },
    problems: ["project_limit_reached"],
    async handle(request) {
      const { database, body, caller } = request;
      const { projectId, keyHash, keyId } = caller;
      const refusal = body.may_redeliver ? scopeRefusal(caller, "subscriptions:write") : null;
      if (refusal !== null) return refusal;
      const full = await stockRefusal("console_links", { projectId, database }, services);
      if (full !== null) return full;
      const limit = await limitOf(body, { database, projectId });
      if (limit === null) {
        const detail = "The project has no such subscription.";
        const part = { pointer: "/subscription_id", detail };
        return { ok: false, problem: problemOfParts("validation_failed", [part]) };
      }
      const createdAtMs = services.clock.now();
      const expiresAtMs = createdAtMs + body.expires_in_s * 1000;
      const id = newUuid(createdAtMs, 0);
      const mayRedeliver = body.may_redeliver;
      const link = { id, projectId, keyHash, limit, mayRedeliver, createdAtMs, expiresAtMs };
      return auditedRequest(services, request, "create-console-link", (within, note) =>
        request.once(within, async () => {
          note(creationOf(link));
          await addConsoleLink(within, rowOf(link, keyId));
          const made = JSON.stringify(newLinkView(link, services));
          return jsonAnswer(201, made, { "cache-control": "no-store" });
        }),
      );
    },
  });
}

/** For the audit log. */
function creationOf({ projectId, limit, mayRedeliver, expiresAtMs }: ConsoleLink): NotedChange {
  return {
    action: "console_link.created",
    subject: limit.kind === "subscription" ? limit.id : publicId("project", projectId),
    details: {
      shows: limit.kind === "metadata" ? `metadata ${keyOf(limit.filter)}` : limit.kind,
      may_redeliver: mayRedeliver ? "yes" : "no",
      expires_at: isoTime(expiresAtMs),
    },
  };
}

/** The row that lists and revokes the link. */
function rowOf(link: ConsoleLink, keyId: string) {
  const { id, projectId, limit, mayRedeliver, createdAtMs, expiresAtMs } = link;
  return {
    id,
    projectId,
    mayRedeliver,
    keyId,
    createdAtMs,
    expiresAtMs,
    subscriptionId: limit.kind === "subscription" ? parsePublicId("subscription", limit.id) : null,
    metadata: limit.kind === "metadata" ? limit.filter : null,
  };
}

/** The only answer that has its address. */
function newLinkView(link: ConsoleLink, services: ApiServices): object {
  const { id, limit, mayRedeliver, expiresAtMs } = link;
  return {
    id: publicId("consoleLink", id),
    object: "console_link",
    url: `${services.publicUrl()}${LINKS_PATH}/${sealLink(services.secretBox, link)}/`,
    subscription_id: limit.kind === "subscription" ? limit.id : null,
    metadata: limit.kind === "metadata" ? limit.filter : null,
    may_redeliver: mayRedeliver,
    expires_at: isoTime(expiresAtMs),
  };
}

function revokeOne(services: ApiServices): Route {
  return defineRoute({
    operationId: "revokeConsoleLink",
    method: "DELETE",
    path: "/v1/console-links/{id}",
    tag: TAG,
    summary: "Revoke a link to the console",
    description: "Takes effect at once, on every node.",
    scope: "admin",
    idKind: "consoleLink",
    success: { status: 204, description: "Link revoked (idempotent)." },
    async handle(request) {
      const { id, caller } = request;
      const link = { projectId: caller.projectId, id, nowMs: services.clock.now() };
      const subject = publicId("consoleLink", id);
      const name = "revoke-console-link";
      const outcome = await auditedRequest(services, request, name, async (within, note) => {
        const done = await revokeConsoleLink(within, link);
        if (done === "revoked") note({ action: "console_link.revoked", subject, details: {} });
        return done;
      });
      return outcome === "not_found" ? notFound("consoleLink", subject) : NO_CONTENT;
    },
  });
}

function revoke(services: ApiServices): Route {
  return defineRoute({
    operationId: "revokeConsoleLinks",
    method: "DELETE",
    path: "/v1/console-links",
    tag: TAG,
    summary: "Revoke all links to the console",
    description:
      "Ends every link that was made until now, at once on this node and within a second on the " +
      "others.",
    scope: "admin",
    success: { status: 204, description: "Links revoked (idempotent)." },
    async handle(request) {
      const { projectId } = request.caller;
      const change = { console_links_from_ms: services.clock.now() + 1 };
      await auditedRequest(services, request, "revoke-console-links", async (within, note) => {
        await changeProjectSettings(within, projectId, change);
        const subject = publicId("project", projectId);
        note({ action: "console_links.revoked", subject, details: {} });
      });
      await services.projects.refresh();
      return NO_CONTENT;
    },
  });
}

/** Null for a subscription that the project does not have. */
async function limitOf(
  wanted: { readonly subscription_id?: string | undefined; readonly metadata?: string | undefined },
  { database, projectId }: { readonly database: Database; readonly projectId: string },
): Promise<LinkLimit | null> {
  const { subscription_id: text, metadata } = wanted;
  if (metadata !== undefined) return { kind: "metadata", filter: metadata };
  if (text === undefined) return { kind: "project" };
  const id = parsePublicId("subscription", text);
  const found = id === null ? null : await findSubscription(database, { projectId, id });
  if (found === null) return null;
  return { kind: "subscription", id: text, jobId: publicId("job", found.jobRowId) };
}

/** The value may be somebody's name. */
function keyOf(filter: string): string {
  return filter.slice(0, filter.indexOf("="));
}
