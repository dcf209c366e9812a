import type { ChangeSignal } from "../runtime/change-signal.ts";
import type { DeliveryEngine } from "../delivery/delivery-engine.ts";
import type {
  ProjectLimitName,
  ProjectLimitDefaults,
  ProjectLimits,
} from "../core/limits/project-limits.ts";
import { Refresher } from "../runtime/refresher.ts";
import type { Database } from "../store/db/database.ts";
import { loadProjects, type ProjectRecord } from "../store/projects/manage-projects.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Every project with its settings and limits, held in memory and kept fresh. */
export class ProjectDirectory extends Refresher<ProjectRecord> implements ProjectLimits {
  readonly #byId = new Map<string, ProjectRecord>();
  readonly #limitsByDefault: ProjectLimitDefaults;
  readonly #runtime: Runtime;
  readonly #usage = new Map<ProjectLimitName, (projectId: string) => number>();

  constructor(
    runtime: Runtime,
    {
      database,
      changes,
      delivery,
      limitsByDefault,
    }: {
      readonly database: Database;
      /** Signals that projects may have changed. */
      readonly changes?: ChangeSignal | undefined;
      /** Applies the settings of every new or changed project, on whichever node it was changed. */
      readonly delivery: Pick<DeliveryEngine, "configure">;
      /** The limits of projects for which the operator has set none. */
      readonly limitsByDefault: ProjectLimitDefaults;
    },
  ) {
    super(runtime, {
      name: "refresh projects",
      changes,
      load: (changedSinceMs) => loadProjects(database, changedSinceMs),
      take: (project) => {
        this.#byId.set(project.id, project);
        delivery.configure(project);
      },
    });
    this.#runtime = runtime;
    this.#limitsByDefault = limitsByDefault;
  }

  /** Null for a project that was created a moment ago. */
  get(id: string): ProjectRecord | null {
    return this.#byId.get(id) ?? null;
  }

  get all(): Iterable<ProjectRecord> {
    return this.#byId.values();
  }

  allowed(projectId: string, name: ProjectLimitName): number {
    return this.#byId.get(projectId)?.limits[name] ?? this.allowedByDefault(name);
  }

  allowedByDefault(name: ProjectLimitName): number {
    const { alone, amongOthers } = this.#limitsByDefault;
    return (this.#byId.size > 1 ? amongOthers : alone)[name];
  }

  refused(name: ProjectLimitName): void {
    this.#runtime.metrics.projectLimitRefusals.add(name);
  }

  measuredBy(name: ProjectLimitName, read: (projectId: string) => number): void {
    this.#usage.set(name, read);
  }

  /** How much of a limit the project uses, or null when that is not held in memory. */
  used(projectId: string, name: ProjectLimitName): number | null {
    return this.#usage.get(name)?.(projectId) ?? null;
  }

  liveJobsMax(id: string): number {
    const allowed = this.allowed(id, "live_jobs");
    return Math.min(allowed, this.get(id)?.settings.live_jobs_max ?? allowed);
  }
}
