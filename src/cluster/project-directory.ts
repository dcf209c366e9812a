import type {
  ProjectLimitName,
  ProjectLimits,
  ProjectLimitValues,
} from "../core/project-limits.ts";
import { Refresher } from "../runtime/refresher.ts";
import type { Service } from "../runtime/service.ts";
import type { Database } from "../store/db/database.ts";
import { loadProjects, type ProjectRecord } from "../store/projects/manage-projects.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface ProjectDirectoryOptions {
  readonly database: Database;
  /** The limits of projects for which the operator has set no others. */
  readonly limitsByDefault: ProjectLimitValues;
  /** Counts that a project came to a limit. */
  readonly countRefusal: (name: ProjectLimitName) => void;
  /** Told of every project that is new or changed, on whatever node it was changed. */
  readonly onChange: (project: ProjectRecord) => void;
}

/** Every project with its settings and limits, held in memory and kept fresh. */
export class ProjectDirectory implements Service, ProjectLimits {
  readonly name = "project directory";
  readonly #byId = new Map<string, ProjectRecord>();
  readonly #refresher: Refresher<ProjectRecord>;
  readonly #limitsByDefault: ProjectLimitValues;
  readonly #countRefusal: (name: ProjectLimitName) => void;
  readonly #usage = new Map<ProjectLimitName, (projectId: string) => number>();

  constructor(runtime: Runtime, { database, onChange, ...limits }: ProjectDirectoryOptions) {
    this.#limitsByDefault = limits.limitsByDefault;
    this.#countRefusal = limits.countRefusal;
    this.#refresher = new Refresher<ProjectRecord>(runtime, {
      name: "refresh projects",
      load: (changedSinceMs) => loadProjects(database, changedSinceMs),
      take: (project) => {
        this.#byId.set(project.id, project);
        onChange(project);
      },
    });
  }

  start(): Promise<void> {
    return this.#refresher.start();
  }

  stop(): Promise<void> {
    return this.#refresher.stop();
  }

  /** Null for one that was made a moment ago. */
  get(id: string): ProjectRecord | null {
    return this.#byId.get(id) ?? null;
  }

  get all(): Iterable<ProjectRecord> {
    return this.#byId.values();
  }

  allowed(projectId: string, name: ProjectLimitName): number {
    return this.#byId.get(projectId)?.limits[name] ?? this.#limitsByDefault[name];
  }

  allowedByDefault(name: ProjectLimitName): number {
    return this.#limitsByDefault[name];
  }

  refused(name: ProjectLimitName): void {
    this.#countRefusal(name);
  }

  measuredBy(name: ProjectLimitName, read: (projectId: string) => number): void {
    this.#usage.set(name, read);
  }

  /** How much of a limit the project uses, or null for one whose use is not held in memory. */
  used(projectId: string, name: ProjectLimitName): number | null {
    return this.#usage.get(name)?.(projectId) ?? null;
  }

  /** How many live jobs the project may have: as many as are allowed, or as it wants itself. */
  liveJobsMax(id: string): number {
    const allowed = this.allowed(id, "live_jobs");
    return Math.min(allowed, this.get(id)?.settings.live_jobs_max ?? allowed);
  }

  /** Reads what has changed since the last time. */
  refresh(): Promise<void> {
    return this.#refresher.refresh();
  }
}
