import type { ProblemCode } from "../../core/error-codes.ts";
import type { ProjectLimitName, ProjectLimits } from "../../core/limits/project-limits.ts";
import type { Database } from "../../store/db/database.ts";
import type { Clock } from "../../runtime/clock.ts";
import { countStored, type StoredLimitName } from "../../store/sql/stored-counts.ts";
import { refused } from "./problem.ts";
import type { Refusal } from "../../core/problem.ts";

/** Refuses a request because its project has reached one of its limits, and counts the refusal. */
export function limitRefusal(
  limits: ProjectLimits,
  {
    projectId,
    name,
    code,
    detail,
    retryAfterS,
  }: {
    readonly projectId: string;
    readonly name: ProjectLimitName;
    readonly code: ProblemCode;
    /** Which limit the project has reached, and what to do about it. */
    readonly detail: string;
    readonly retryAfterS?: number;
  },
): Refusal {
  limits.refused(name);
  return refused(code, detail, {
    extensions: { limit: name, allowed: limits.allowed(projectId, name) },
    ...(retryAfterS !== undefined && { headers: { "retry-after": String(retryAfterS) } }),
  });
}

/**
 * Refuses to add one more row of a kind that is counted in the database, or null when there is
 * room. When several are added at the same moment, one too many may be accepted.
 */
export async function stockRefusal(
  name: StoredLimitName,
  { projectId, database }: { readonly projectId: string; readonly database: Database },
  { limits, clock }: { readonly limits: ProjectLimits; readonly clock: Clock },
): Promise<Refusal | null> {
  const counts = await countStored(database, projectId, clock.now());
  const allowed = limits.allowed(projectId, name);
  if (counts[name] < allowed) return null;
  return limitRefusal(limits, {
    projectId,
    name,
    code: "project_limit_reached",
    detail:
      `The project may have ${allowed} of its ${name.replaceAll("_", " ")}, including those ` +
      "created in the last 24 hours; delete some and wait, or ask the operator for more.",
  });
}
