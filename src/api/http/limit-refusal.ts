import type { ProblemCode } from "../../core/error-codes.ts";
import type { ProjectLimitName, ProjectLimits } from "../../core/project-limits.ts";
import type { Database } from "../../store/db/database.ts";
import type { Clock } from "../../runtime/clock.ts";
import { countStored, type StoredLimitName } from "../../store/sql/stored-counts.ts";
import { refused } from "./problem.ts";
import type { Refusal } from "./problem.ts";

interface AtLimit {
  readonly projectId: string;
  readonly name: ProjectLimitName;
  readonly code: ProblemCode;
  /** What the project has come to, and what to do about it. */
  readonly detail: string;
  readonly retryAfterS?: number;
}

/** Refuses a request since its project has come to one of its limits, and counts that. */
export function limitRefusal(limits: ProjectLimits, at: AtLimit): Refusal {
  const { projectId, name, code, detail, retryAfterS } = at;
  limits.refused(name);
  return refused(code, detail, {
    extensions: { limit: name, allowed: limits.allowed(projectId, name) },
    ...(retryAfterS !== undefined && { headers: { "retry-after": String(retryAfterS) } }),
  });
}

/**
 * Refuses to add one more of something that is counted in the database, or null when there is room.
 * Of several that are added at the same moment, one too many may be let in.
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
      `The project may have ${allowed} of its ${name.replaceAll("_", " ")}, those made in the last ` +
      "24 hours included; delete some and wait, or ask the operator for more.",
  });
}
