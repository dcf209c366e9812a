import type { ProblemCode } from "../core/error-codes.ts";
import type { ProjectLimitName, ProjectLimits } from "../core/project-limits.ts";
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
