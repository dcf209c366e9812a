import { DatabaseTimeoutError } from "./errors.ts";

/** Rejects `passed` with a `DatabaseTimeoutError` unless it is canceled in time. */
export interface Deadline {
  readonly passed: Promise<never>;
  /** True when `error` comes from this deadline and from nothing else. */
  hasThrown(error: unknown): boolean;
  /** Makes the deadline pass now, for this reason. */
  expire(reason: string): void;
  cancel(): void;
}

export function startDeadline(name: string, timeoutMs: number): Deadline {
  // Created on demand: an error captures the stack, and every call has a deadline.
  let thrown: DatabaseTimeoutError | null = null;
  const { promise: passed, reject } = Promise.withResolvers<never>();
  const expire = (reason: string): void => {
    thrown ??= new DatabaseTimeoutError(`${name} ${reason}`);
    reject(thrown);
  };
  const timer = setTimeout(() => expire(`took longer than ${timeoutMs} ms`), timeoutMs);
  return {
    passed,
    hasThrown: (error) => thrown !== null && error === thrown,
    expire,
    cancel: () => clearTimeout(timer),
  };
}
