import type { ProviderVersion } from "../providers/compile/provider.ts";
import type { StoredConnection } from "../store/connections/load-connections.ts";

/** On whose behalf a request is forwarded, and to where. */
export interface SubmissionTarget {
  readonly projectId: string;
  readonly connection: StoredConnection;
  readonly known: ProviderVersion;
}

/** How to subscribe to a job that a forwarded request submits. */
export interface SubmissionOptions {
  /** Where the events go; null with `inbox` null too to subscribe to nothing. */
  readonly callbackUrl: string | null;
  /** The field of the body that it came from, as a JSON Pointer; null for any other place. */
  readonly callbackField: string | null;
  readonly inbox: string | null;
  /** Raw JSON text. */
  readonly metadata: string | null;
  readonly events: readonly string[] | null;
  readonly payload: string | null;
  readonly deadlineS: number | null;
  readonly idempotencyKey: string | null;
}
