import { DatabaseTimeoutError } from "./transient-error.ts";

/** Rejects `passed` with `error` unless it is canceled in time. */
export interface Deadline {
  readonly error: DatabaseTimeoutError;
  readonly passed: Promise<never>;
  cancel(): void;
}

export function startDeadline(name: string, timeoutMs: number): Deadline {
  const error = new DatabaseTimeoutError(`${name} took longer than ${timeoutMs} ms`);
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  return { error, passed, cancel: () => clearTimeout(timer) };
}
