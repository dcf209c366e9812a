import type { DatabaseCondition } from "../../core/readiness.ts";
import { DeadlinePassedError } from "../../runtime/request-deadline.ts";

/*
 * Classifies errors of Postgres and of the connection to it: which may succeed on the next try. All
 * others are a bad row, a bug or a wrong configuration, and fail however often they are tried.
 */

/** Classes of SQLSTATE: the first two characters. */
const TRANSIENT_CLASSES = new Set([
  "08", // connection exception
  "53", // out of disk, memory or connections
]);

/** Codes of calls that fail because the server goes down or is not there. */
const CONNECTION_LOST_CODES = new Set([
  "57P01", // shut down by the administrator
  "57P02", // shut down after a crash
  "57P03", // starting up
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "NO_SUITABLE_SERVER",
]);

const TRANSIENT_CODES = new Set([
  ...CONNECTION_LOST_CODES,
  "40001", // serialization failure
  "40003", // statement completion unknown
  "40P01", // deadlock
  "55P03", // lock not available: lock_timeout
  "57014", // query canceled: statement_timeout
  "25P03", // idle_in_transaction_session_timeout
  "25006", // read-only transaction: this server was the primary until just now
  "57P05", // idle_session_timeout
  // postgres.js, and `ConnectionError`
  "COMMIT_UNCONFIRMED",
  "CONNECTION_ENDED",
  "SERVER_REFUSES",
]);

/** The call took longer than allowed; it may still have taken effect. */
export class DatabaseTimeoutError extends Error {
  override readonly name = "DatabaseTimeoutError";
}

/** The server is not a usable Postgres and will not become one by waiting; someone has to look. */
export class DatabaseProtocolError extends Error {
  override readonly name = "DatabaseProtocolError";
}

/** Every connection is in use and the queue is full; nothing was sent. */
export class DatabaseBusyError extends Error {
  override readonly name = "DatabaseBusyError";
}

/** The database is known to be unfit for the call; nothing was sent. */
export class DatabaseAwayError extends Error {
  override readonly name = "DatabaseAwayError";
  readonly condition: Exclude<DatabaseCondition, "ok">;

  constructor(condition: Exclude<DatabaseCondition, "ok">) {
    super(`the database is ${condition}`);
    this.condition = condition;
  }
}

/** The deadline of its request passed while the call waited for its turn; nothing was sent. */
export class NotBegunInTimeError extends Error {
  override readonly name = "NotBegunInTimeError";
}

/** The group's turn to call the database did not come in time, or too many of it wait; nothing was sent. */
export class NoDatabaseTurnError extends NotBegunInTimeError {
  readonly group: string;

  constructor(name: string, group: string) {
    super(`${name}: no turn to call the database came in time`);
    this.group = group;
  }
}

/** True for errors that guarantee that nothing of the call has reached the database. */
export function isNotBegun(error: unknown): boolean {
  return (
    error instanceof DatabaseAwayError ||
    error instanceof DatabaseBusyError ||
    error instanceof NotBegunInTimeError
  );
}

/** A connection to the database could not be opened, or was lost. The codes are the driver's. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: ConnectionErrorCode;

  constructor(code: ConnectionErrorCode, message: string, cause?: unknown) {
    super(`${code}: ${message}`, cause === undefined ? {} : { cause });
    this.code = code;
  }
}

type ConnectionErrorCode =
  /** Committed, but perhaps not on the synchronous standby; writing it again is harmless. */
  | "COMMIT_UNCONFIRMED"
  | "CONNECT_TIMEOUT"
  | "CONNECTION_CLOSED"
  | "CONNECTION_ENDED"
  /** Servers respond, but none of them satisfies `target_session_attrs`. */
  | "NO_SUITABLE_SERVER"
  /** A server that took connections before refuses them: no row is to blame, and a person will mend it. */
  | "SERVER_REFUSES";

/** True when the same call may succeed later. Looks through wrappers such as Drizzle's. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof DatabaseTimeoutError || error instanceof DeadlinePassedError) return true;
  if (isNotBegun(error)) return true;
  const code = errorCode(error);
  if (code !== null && (TRANSIENT_CODES.has(code) || TRANSIENT_CLASSES.has(sqlStateClass(code))))
    return true;
  return error.cause !== undefined && isTransient(error.cause);
}

const LOCK_NOT_AVAILABLE = "55P03";

/** True when another transaction held a lock that the call needs for too long. */
export function isLockTimeout(error: unknown): boolean {
  return errorCode(error) === LOCK_NOT_AVAILABLE;
}

const QUERY_CANCELED = "57014";

/** True when the call took longer than allowed, by the server's clock or by this process's. */
export function isTimeout(error: unknown): boolean {
  return error instanceof DatabaseTimeoutError || errorCode(error) === QUERY_CANCELED;
}

/** The SQLSTATE or system code of an error, or null. */
export function errorCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

/** The codes of an error and its causes, outermost first. */
export function errorCodes(error: unknown): readonly string[] {
  const codes: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = errorCode(cause);
    if (code !== null) codes.push(code);
  }
  return codes;
}

const LOST_IN_USE_CODES = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "ECONNRESET",
  "EPIPE",
]);

/** True when a connection ended while a call used it, as far as the error shows. */
export function isLostInUse(error: unknown): boolean {
  return errorCodes(error).some((code) => LOST_IN_USE_CODES.has(code));
}

/** True for errors of a server that goes down, but also of a single connection that is cut. */
export function isConnectionLost(error: unknown): boolean {
  return errorCodes(error).some((code) => CONNECTION_LOST_CODES.has(code));
}

function sqlStateClass(code: string): string {
  return code.length === 5 ? code.slice(0, 2) : "";
}
