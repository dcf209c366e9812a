/** Events about a project's own operation. */
export const OPERATIONAL_EVENT_TYPES = [
  "delivery.exhausted",
  "callback_origin.failing",
  "callback_origin.recovered",
  "connection.paused",
  "connection.resumed",
  "provider.unknown_status",
] as const;

export type OperationalEventType = (typeof OPERATIONAL_EVENT_TYPES)[number];

/**
 * How an operational event ended: it was taken, given up, or not wanted because the project has no
 * `operations_url`.
 */
export type OperationalEventEnd = "delivered" | "exhausted" | "unwanted";

/** Something happened that a project may want to know of. */
export interface OperationalEvent {
  readonly projectId: string;
  /**
   * The object that it is about. Events of one subject are sent at most once a minute: the latest, with
   * their number.
   */
  readonly subject: string;
  readonly type: OperationalEventType;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Stored for a project without an `operations_url` too, since nothing else keeps the fact. */
export function isAlwaysKept(type: OperationalEventType): boolean {
  return type === "provider.unknown_status";
}

/** The shortest time between two events about one subject. */
export const PUBLISHED_EVERY_MS = 60_000;

/** The exact text that is sent and signed. */
export function operationalEventBody(event: {
  readonly type: string;
  readonly occurredAtMs: number;
  readonly occurrences: number;
  /** Raw JSON object. */
  readonly data: string;
}): string {
  const timestamp = new Date(event.occurredAtMs).toISOString();
  const rest = event.data === "{}" ? "" : `,${event.data.slice(1, -1)}`;
  return `{"type":"${event.type}","timestamp":"${timestamp}","data":{"occurrences":${event.occurrences}${rest}}}`;
}

/** The waits after the first, second, … attempt that was not taken; then it is given up. */
const WAITS_MS = [10_000, 60_000, 300_000, 1_800_000, 7_200_000];

/**
 * When to try again, from now; null when it is given up: after so many attempts, or when the
 * receiver says 410.
 * @param attempt 1 for the first
 * @param status null when there was no answer
 */
export function operationalRetryMs(attempt: number, status: number | null): number | null {
  return status === 410 ? null : (WAITS_MS[attempt - 1] ?? null);
}
