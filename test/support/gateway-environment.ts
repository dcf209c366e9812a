import { randomBytes } from "node:crypto";

export const API_KEY = "rb_end-to-end-test-key";
export const SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/** The waits between attempts. */
export const RETRY_SCHEDULE_S = [0.05, 0.1, 0.1];
export const INLINE_RESULT_BYTES_MAX = 2048;

/** The environment of a test's gateway; `changes` override it. */
export function gatewayEnvironment(
  databaseUrl: string,
  changes: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    PORT: "0",
    DATABASE_URL: databaseUrl,
    RINGBACK_API_KEY: API_KEY,
    RINGBACK_SIGNING_SECRET: SIGNING_SECRET,
    RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    RINGBACK_SANDBOX: "0",
    // The template is migrated.
    RINGBACK_MIGRATE: "0",
    RINGBACK_EGRESS_ALLOW: "127.0.0.0/8",
    RINGBACK_RETRY_SCHEDULE_S: RETRY_SCHEDULE_S.join(","),
    // Receivers that hold an answer back are not given up, however busy the machine is.
    RINGBACK_CALLBACK_TIMEOUT_MS: "60000",
    RINGBACK_INLINE_RESULT_BYTES_MAX: String(INLINE_RESULT_BYTES_MAX),
    RINGBACK_DRAIN_MS: "0",
    RINGBACK_POLL_INTERVAL_MS_MIN: "10",
    LOG_FORMAT: "json",
    LOG_LEVEL: "debug",
    ...changes,
  };
}
