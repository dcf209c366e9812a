/** An error as Pulse words it: `{"error": {"code", "message", "details"}}`. */
export interface PulseError {
  readonly status: 400 | 401 | 404 | 410 | 413 | 429 | 500 | 503;
  readonly code: string;
  readonly message: string;
  readonly details: unknown;
  /** Sent as Retry-After unless null. */
  readonly retryAfterS: number | null;
}

export function pulseError(
  status: PulseError["status"],
  code: string,
  message: string,
  more: { readonly details?: unknown; readonly retryAfterS?: number } = {},
): PulseError {
  const { details = null, retryAfterS = null } = more;
  return { status, code, message, details, retryAfterS };
}
