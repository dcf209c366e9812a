import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import {
  audited,
  type AuditEntry,
  type AuditNote,
  listAuditEntries,
} from "../../store/projects/audit-log.ts";
import { defineListRoute } from "../http/list-route.ts";
import { isoTime } from "../http/answer.ts";
import { pagingParameters } from "../request/list-query.ts";
import type { Route } from "../http/route.ts";
import { auditPageSchema } from "./schema.ts";
import { createUuidSource } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import type { Caller, Client } from "../http/auth.ts";
import type { ApiServices } from "../services.ts";

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

const newUuid = createUuidSource();

/** A change of the caller's project. */
export type NotedChange = Omit<AuditNote, "projectId">;

/** Makes the changes of a request, with their entries in the audit log; see `audited`. */
export function auditedRequest<T>(
  { clock, log }: Pick<ApiServices, "clock" | "log">,
  request: { readonly database: Database; readonly caller: Caller; readonly client: Client },
  name: string,
  work: (within: Database, note: (change: NotedChange) => void) => Promise<T>,
): Promise<T> {
  const { database, caller, client } = request;
  const { keyId, projectId } = caller;
  const actor = { kind: "api_key", keyId, address: client.address } as const;
  const services = { actor, newId: () => newUuid(clock.now(), 0), log };
  return audited(database, name, services, (within, note) =>
    work(within, (change) => note({ projectId, ...change })),
  );
}

/** The names of the fields that a change sets, whatever their values. */
export function changedFields(change: object): readonly string[] {
  return Object.entries(change)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
}
