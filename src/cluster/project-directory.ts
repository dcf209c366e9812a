import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { Refresher } from "../runtime/refresher.ts";
import type { Service } from "../runtime/service.ts";
import type { Database } from "../store/database.ts";
import { loadProjects, type ProjectRecord } from "../store/manage-projects.ts";

export interface ProjectDirectoryOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Of projects for which the operator has set no other limit. */
  readonly liveJobsAllowed: number;
  /** Told of every project that is new or changed, on whatever node it was changed. */
  readonly onChange: (project: ProjectRecord) => void;
}

/** Every project with its settings, held in memory and kept fresh. */
export class ProjectDirectory implements Service {
  readonly name = "project directory";
  readonly #byId = new Map<string, ProjectRecord>();
  readonly #refresher: Refresher<ProjectRecord>;
  readonly #liveJobsAllowed: number;

  constructor({ database, clock, log, liveJobsAllowed, onChange }: ProjectDirectoryOptions) {
    this.#liveJobsAllowed = liveJobsAllowed;
    this.#refresher = new Refresher<ProjectRecord>({
      name: "refresh projects",
      clock,
      log,
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

  /** How many live jobs the project may have: as many as are allowed, or as it wants itself. */
  liveJobsMax(id: string): number {
    const project = this.get(id);
    const allowed = project?.liveJobsAllowed ?? this.#liveJobsAllowed;
    return Math.min(allowed, project?.settings.live_jobs_max ?? allowed);
  }

  /** Reads what has changed since the last time. */
  refresh(): Promise<void> {
    return this.#refresher.refresh();
  }
}
