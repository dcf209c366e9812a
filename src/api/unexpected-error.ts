import { QueueFullError, QueueStoppedError } from "../store/group-commit.ts";
import { DatabaseBusyError, isTransient } from "../store/transient-error.ts";
import { problem } from "./problem.ts";
import type { Problem } from "./problem.ts";

/**
 * What a client hears of an error that no handler expected: nothing about the inside, but whether
 * the same request may succeed later.
 */
export function problemOfError(error: unknown): Problem {
  if (error instanceof QueueFullError || error instanceof DatabaseBusyError) return overloaded();
  if (error instanceof QueueStoppedError) {
    return problem("overloaded", "The gateway is shutting down; send the request again.", {
      headers: { "retry-after": "1" },
    });
  }
  if (isTransient(error)) {
    return problem(
      "database_unavailable",
      "The database can't be reached or is too slow just now; send the request again later." +
        " If it creates something, use the same Idempotency-Key.",
      { headers: { "retry-after": "2" } },
    );
  }
  return problem(
    "internal_error",
    "Something went wrong on our side; the log names it by the request id of this answer.",
  );
}

export function overloaded(): Problem {
  return problem("overloaded", "Too much is waiting to be stored; nothing of this was kept.", {
    headers: { "retry-after": "1" },
  });
}
