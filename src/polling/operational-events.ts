import { publicId } from "../core/ids/ids.ts";
import type { OperationalEvent } from "../core/delivery/operational-event.ts";
import type { StoredConnection } from "../store/connections/load-connections.ts";
import type { Watch } from "./watch/watch.ts";

/** The event to publish for a changed connection; null if the change is not worth one. */
export function connectionEvent(
  before: StoredConnection | null,
  connection: StoredConnection,
): OperationalEvent | null {
  const { id, projectId, provider, name, state, pausedReason, isDeleted } = connection;
  if (before === null || before.state === state || isDeleted) return null;
  const data = { connection_id: publicId("connection", id), provider, connection: name };
  const subject = `connection ${id}`;
  return state === "paused"
    ? { projectId, subject, type: "connection.paused", data: { ...data, reason: pausedReason } }
    : { projectId, subject, type: "connection.resumed", data };
}

/** A provider says something that its definition does not know. */
export function unknownStatusEvent(
  projectId: string,
  { provider, jobId }: Watch,
  status: string,
): OperationalEvent {
  const subject = `provider ${provider}`;
  const data = { provider, status, job_id: jobId };
  return { projectId, subject, type: "provider.unknown_status", data };
}
