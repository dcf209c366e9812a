import { DatabaseTimeoutError } from "./transient-error.ts";

/** Rejects `passed` with a `DatabaseTimeoutError` unless it is canceled in time. */
export interface Deadline {
  readonly passed: Promise<never>;
  /** Whether this, and nothing else, is what `error` tells of. */
  hasThrown(error: unknown): boolean;
  cancel(): void;
}

export function startDeadline(name: string, timeoutMs: number): Deadline {
  let timer: NodeJS.Timeout | undefined;
  // Made when it is needed: an error takes a picture of the stack, and every call has a deadline.
  let thrown: DatabaseTimeoutError | null = null;
  const passed = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      thrown = new DatabaseTimeoutError(`${name} took longer than ${timeoutMs} ms`);
      reject(thrown);
    }, timeoutMs);
  });
  return {
    passed,
    hasThrown: (error) => thrown !== null && error === thrown,
    cancel: () => clearTimeout(timer),
  };
}
