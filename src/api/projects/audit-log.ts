import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import { type AuditEntry, listAuditEntries } from "../../store/projects/audit-log.ts";
import { pageAnswer } from "../http/answer.ts";
import { decodeCursor, encodeCursor, listScope } from "../request/cursor.ts";
import { isoTime } from "../http/iso-time.ts";
import { pagingParameters } from "../request/list-query.ts";
import { defineRoute } from "../http/route.ts";
import type { Route } from "../http/route.ts";
import { auditPageSchema } from "./audit-schema.ts";

export function auditLogRoutes(): Route[] {
  return [list()];
}

function list(): Route {
  return defineRoute({
    operationId: "listAuditEntries",
    method: "GET",
    path: "/v1/audit-log",
    tag: "Audit log",
    summary: "List who changed keys, secrets, connections, providers and settings, newest first",
    description: "An entry is stored in the transaction that makes its change.",
    scope: "admin",
    query: z.strictObject(pagingParameters),
    success: { status: 200, description: "A page.", schema: auditPageSchema },
    problems: ["invalid_cursor"],
    async handle({ database, caller: { projectId }, query: { cursor, limit } }) {
      const scope = listScope("audit log", projectId, {});
      const beforeId = decodeCursor(scope, cursor);
      if (!beforeId.ok) return beforeId;
      const query = { projectId, beforeId: beforeId.value, limit: limit + 1 };
      const rows = await listAuditEntries(database, query);
      const last = rows.length > limit ? rows[limit - 1] : undefined;
      const items = rows.slice(0, limit).map((entry) => JSON.stringify(auditView(entry)));
      return pageAnswer(items, last === undefined ? null : encodeCursor(scope, last.id));
    },
  });
}

function auditView(of: AuditEntry): object {
  return {
    id: publicId("auditEntry", of.id),
    object: "audit_entry",
    action: of.action,
    subject: of.subject,
    details: of.details,
    actor:
      of.keyId === null
        ? { kind: "operator", command: of.command }
        : { kind: "api_key", id: publicId("apiKey", of.keyId) },
    address: of.address,
    created_at: isoTime(of.createdAtMs),
  };
}
