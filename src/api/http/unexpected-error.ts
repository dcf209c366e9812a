import { UNREADINESS_REASONS } from "../../core/readiness.ts";
import { QueueFullError, QueueStoppedError } from "../../store/writes/group-commit.ts";
import {
  DatabaseAwayError,
  DatabaseBusyError,
  isTransient,
  NotBegunInTimeError,
} from "../../store/db/errors.ts";
import { problem } from "./problem.ts";
import type { Problem } from "../../core/problem.ts";

/**
 * The problem for an error that no handler expected: nothing about internals, but whether the same
 * request may succeed later, and whether it may have been carried out.
 * @param mayHaveActed whether the request may have changed something; false for reads, and when nothing
 *   was sent
 */
export function problemOfError(
  error: unknown,
  { mayHaveActed }: { readonly mayHaveActed: boolean },
): Problem {
  if (error instanceof QueueFullError || error instanceof DatabaseBusyError) return overloaded();
  if (error instanceof QueueStoppedError) {
    return unavailable("overloaded", "The gateway is shutting down.", mayHaveActed);
  }
  if (error instanceof DatabaseAwayError) {
    const reason = UNREADINESS_REASONS[`database_${error.condition}`];
    return unavailable("database_unavailable", reason, mayHaveActed);
  }
  if (error instanceof NotBegunInTimeError) {
    const reason = "The database was too slow to store this in time.";
    return unavailable("database_unavailable", reason, mayHaveActed);
  }
  if (isTransient(error)) {
    const reason = "The database can't be reached or is too slow at the moment.";
    return unavailable("database_unavailable", reason, mayHaveActed);
  }
  return problem(
    "internal_error",
    "Something failed in the gateway; the log has the details under this response's request " +
      "id.",
  );
}

export function tooManyBodies(): Problem {
  return problem(
    "overloaded",
    "Too many large requests are in progress; nothing of this one was stored. Send it again " +
      "later, or in smaller parts.",
    { headers: { "retry-after": "2" } },
  );
}

export function overloaded(): Problem {
  return problem(
    "overloaded",
    "Too much is waiting to be stored; nothing of this request was stored.",
    {
      headers: { "retry-after": "1" },
    },
  );
}

function unavailable(
  code: "overloaded" | "database_unavailable",
  reason: string,
  mayHaveActed: boolean,
): Problem {
  const outcome = mayHaveActed
    ? "It is unknown whether this request was carried out: it may have been stored. Send it " +
      "again later; with the same Idempotency-Key a subscription is not stored twice."
    : "Nothing was changed; send the request again later.";
  return problem(code, `${reason} ${outcome}`, {
    headers: { "retry-after": code === "overloaded" ? "1" : "2" },
    extensions: { outcome: mayHaveActed ? "unknown" : "none" },
  });
}
