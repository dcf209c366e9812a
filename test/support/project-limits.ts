import {
  eachLimit,
  limitOf,
  type ProjectLimitName,
  type ProjectLimits,
  type ProjectLimitValues,
} from "../../src/core/limits/project-limits.ts";

/** The limits of projects as a test sets them: the defaults unless it says otherwise. */
export class TestLimits implements ProjectLimits {
  /** Apply to all projects. */
  readonly defaults: Record<ProjectLimitName, number>;
  /** Override the defaults for single projects. */
  readonly own = new Map<string, Partial<ProjectLimitValues>>();
  readonly refusals: ProjectLimitName[] = [];
  readonly #usage = new Map<ProjectLimitName, (projectId: string) => number>();

  constructor(defaults: Partial<ProjectLimitValues> = {}) {
    this.defaults = { ...eachLimit((name) => limitOf(name).byDefault), ...defaults };
  }

  allowed(projectId: string, name: ProjectLimitName): number {
    return this.own.get(projectId)?.[name] ?? this.defaults[name];
  }

  liveJobsMax(projectId: string): number {
    return this.allowed(projectId, "live_jobs");
  }

  allowedByDefault(name: ProjectLimitName): number {
    return this.defaults[name];
  }

  refused(name: ProjectLimitName): void {
    this.refusals.push(name);
  }

  measuredBy(name: ProjectLimitName, read: (projectId: string) => number): void {
    this.#usage.set(name, read);
  }

  used(projectId: string, name: ProjectLimitName): number | null {
    return this.#usage.get(name)?.(projectId) ?? null;
  }
}
