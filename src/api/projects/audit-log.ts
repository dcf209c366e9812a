import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import { type AuditEntry, listAuditEntries } from "../../store/projects/audit-log.ts";
import { defineListRoute } from "../http/list-route.ts";
import { isoTime } from "../http/iso-time.ts";
import { pagingParameters } from "../request/list-query.ts";
import type { Route } from "../http/route.ts";
import { auditPageSchema } from "./schema.ts";

export function auditLogRoutes(): Route[] {
  return [list()];
}

function list(): Route {
  return defineListRoute({
    operationId: "listAuditEntries",
    path: "/v1/audit-log",
    tag: "Audit log",
    summary: "List who changed keys, secrets, connections, providers and settings, newest first",
    description: "An entry is stored in the transaction that makes its change.",
    scope: "admin",
    query: z.strictObject(pagingParameters),
    schema: auditPageSchema,
    find: (wanted, { database }) => listAuditEntries(database, wanted),
    items: (rows) => rows.map((entry) => JSON.stringify(auditView(entry))),
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
