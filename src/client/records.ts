import type { List } from "./list.ts";
import type { AuditEntry, OperationalEvent, Paging } from "./models.ts";
import { Resource } from "./resources.ts";
import type { CallOptions } from "./transport.ts";

/* A project's history, for its operators. */

export class OperationalEvents extends Resource {
  list(
    filters?: { readonly type?: OperationalEvent["type"] } & Paging,
    options?: CallOptions,
  ): List<OperationalEvent> {
    return this.listOf("/v1/operational-events", { ...filters }, options);
  }
}

export class AuditLog extends Resource {
  list(paging?: Paging, options?: CallOptions): List<AuditEntry> {
    return this.listOf("/v1/audit-log", { ...paging }, options);
  }
}
