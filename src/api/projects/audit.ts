import { createUuidSource } from "../../runtime/uuid-source.ts";
import { audited, type AuditNote } from "../../store/projects/audit-log.ts";
import type { Database } from "../../store/db/database.ts";
import type { Caller, Client } from "../http/auth.ts";
import type { ApiPorts } from "../context.ts";

const newUuid = createUuidSource();

/** A change of the caller's project. */
export type ProjectChange = Omit<AuditNote, "projectId">;

/** Makes the changes of a request, with their entries in the audit log; see `audited`. */
export function auditedRequest<T>(
  { clock, log }: Pick<ApiPorts, "clock" | "log">,
  request: { readonly database: Database; readonly caller: Caller; readonly client: Client },
  name: string,
  work: (within: Database, note: (change: ProjectChange) => void) => Promise<T>,
): Promise<T> {
  const { database, caller, client } = request;
  const { keyId, projectId } = caller;
  const actor = { kind: "api_key", keyId, address: client.address } as const;
  const ports = { actor, newId: () => newUuid(clock.now(), 0), log };
  return audited(database, name, ports, (within, note) =>
    work(within, (change) => note({ projectId, ...change })),
  );
}

/** The names of the fields that a change sets, whatever their values. */
export function changedFields(change: object): readonly string[] {
  return Object.entries(change)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
}
