import type { DatabaseCondition } from "../../core/readiness.ts";
import type { Clock } from "../../runtime/clock.ts";
import { DatabaseAwayError, errorCodes, isConnectionLost } from "./errors.ts";

/*
 * A breaker in front of the database. It opens on evidence, which is what probes and calls bring
 * back, and closes on evidence that is newer.
 *
 *   unreachable  a probe failed, and no call has succeeded since
 *   read_only    a probe or a call was told so: a standby, or a provider's answer to a full disk
 *   full         a call or a probe could not extend a file
 */

/** Result of a probe. A failed one has the error and the monotonic time at which it began. */
export type ProbeFinding =
  | { readonly kind: "writable" }
  | { readonly kind: "read_only" }
  | { readonly kind: "failed"; readonly error: unknown; readonly beganAt: number };

const READ_ONLY = "25006";
const DISK_FULL = "53100";
/** The class of errors of a server that responds but has no room for another connection. */
const NO_RESOURCES_CLASS = "53";
/** Longer than the pause between two tries of a batch, each of which renews the evidence. */
const EVIDENCE_OF_CALLS_MS = 6_000;
/** A server that refuses connections is not down if it answered a call this recently. */
const RECENT_SUCCESS_MS = 5_000;

/** The known condition of the database. Holds no connection and starts no timer. */
export class DatabaseHealth {
  readonly #clock: Clock;
  #isUnreachable = false;
  #isReadOnlyByProbe = false;
  #lastSuccessAt = -Infinity;
  #readOnlyUntil = -Infinity;
  #fullUntil = -Infinity;
  #isFull = false;
  /** Called when a call fails as calls do when the database goes down. */
  onSuspicion: (() => void) | null = null;
  /** Called when the database responds again. */
  onRecovery: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get condition(): DatabaseCondition {
    if (this.#isUnreachable) return "unreachable";
    if (this.#isReadOnlyByProbe || this.#clock.monotonic() < this.#readOnlyUntil) {
      return "read_only";
    }
    return this.#isFull ? "full" : "ok";
  }

  /** Throws `DatabaseAwayError` while reads are known to fail too. */
  requireReachable(): void {
    const { condition } = this;
    if (condition === "unreachable") throw new DatabaseAwayError(condition);
  }

  /** Throws `DatabaseAwayError` while writes are known to fail. */
  requireWritable(): void {
    const { condition } = this;
    if (condition !== "ok") throw new DatabaseAwayError(condition);
  }

  /** Records that a call other than a probe was answered. */
  callSucceeded(): void {
    this.#lastSuccessAt = this.#clock.monotonic();
    this.#answered();
  }

  /** Whether a call other than a probe was answered so recently. */
  wasAnsweredWithin(ms: number): boolean {
    return this.#clock.monotonic() - this.#lastSuccessAt < ms;
  }

  callFailed(error: unknown): void {
    const codes = errorCodes(error);
    const nowMs = this.#clock.monotonic();
    if (codes.includes(READ_ONLY)) this.#readOnlyUntil = nowMs + EVIDENCE_OF_CALLS_MS;
    if (codes.includes(DISK_FULL)) {
      this.#isFull = true;
      this.#fullUntil = nowMs + EVIDENCE_OF_CALLS_MS;
    }
    if (!this.#isUnreachable && isConnectionLost(error)) this.onSuspicion?.();
  }

  probed(finding: ProbeFinding): void {
    if (finding.kind !== "failed") {
      this.#isReadOnlyByProbe = finding.kind === "read_only";
      this.#answered();
      return;
    }
    // On an overloaded machine a probe can be late while calls are answered.
    if (this.#lastSuccessAt > finding.beganAt) return;
    const isServerThere = errorCodes(finding.error).some(
      (code) => code.length === 5 && code.startsWith(NO_RESOURCES_CLASS),
    );
    if (isServerThere && this.wasAnsweredWithin(RECENT_SUCCESS_MS)) return;
    this.#isUnreachable = true;
  }

  /**
   * Records whether a probe could write to the disk. Calls that failed recently take precedence.
   */
  probedDisk(hasRoom: boolean): void {
    if (!hasRoom) this.#isFull = true;
    else if (this.#clock.monotonic() >= this.#fullUntil) this.#isFull = false;
  }

  #answered(): void {
    if (!this.#isUnreachable) return;
    this.#isUnreachable = false;
    this.onRecovery?.();
  }
}
