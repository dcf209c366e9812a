import type { ChangeSignal } from "../../runtime/change-signal.ts";
import type { DatabaseHealth } from "../../store/db/database-health.ts";
import { REQUESTS_PER_SECOND_MIN } from "../../core/limits/poll-ceilings.ts";
import { isObject } from "../../providers/language/json-pointer.ts";
import { parseDefinition } from "../../providers/definition/text.ts";
import type { Provider, ProviderVersion } from "../../providers/compile/provider.ts";
import { readDefinition } from "../../providers/compile/read-definition.ts";
import type { Database } from "../../store/db/database.ts";
import {
  loadProviders,
  loadProviderVersions,
  type StoredProviderVersion,
} from "../../store/connections/load-providers.ts";
import { Refresher } from "../../runtime/refresher.ts";
import type { JobProviders } from "./upstream.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { LiveJob } from "../../store/jobs/load-jobs.ts";

/** The providers that every project may use. */
export interface SharedProviders {
  /** Those that come with the program, by which jobs are polled that name no version. */
  readonly builtIn: ReadonlyMap<string, ProviderVersion>;
  readonly all: readonly ProviderVersion[];
}

export interface ProviderDirectoryOptions {
  /** Tells when definitions may have changed. */
  readonly changes?: ChangeSignal | undefined;
  readonly database: Database;
  readonly health: Pick<DatabaseHealth, "requireReachable">;
  readonly shared: SharedProviders;
  /** Called for every name whose definition is new, changed or deleted, whichever node changed it. */
  onChange(projectId: string, name: string): void;
}

/**
 * Every provider by name, held in memory and kept fresh, and every definition that a job of this
 * node is polled by, however old. A project's own one comes before a shared one of its name.
 */
export class ProviderDirectory extends Refresher<StoredProviderVersion> implements JobProviders {
  readonly #runtime: Runtime;
  readonly #options: ProviderDirectoryOptions;
  readonly #shared: ReadonlyMap<string, ProviderVersion>;
  readonly #own = new Map<string, Map<string, ProviderVersion>>();
  /** By version; null for one that this release can't read. */
  readonly #versions = new Map<string, Provider | null>();
  /** Versions that come from the operator's files. */
  readonly #operatorsVersions = new Set<string>();

  constructor(runtime: Runtime, options: ProviderDirectoryOptions) {
    super(runtime, {
      name: "refresh providers",
      changes: options.changes,
      load: (changedSinceMs) => loadProviders(options.database, changedSinceMs),
      take: (row) => this.#take(row),
    });
    this.#runtime = runtime;
    this.#options = options;
    this.#shared = new Map(options.shared.all.map((known) => [known.name, known]));
    for (const known of options.shared.all) {
      const { version } = known;
      if (version === null) continue;
      this.#versions.set(version.id, known.provider);
      this.#operatorsVersions.add(version.id);
    }
  }

  find(projectId: string, name: string): ProviderVersion | null {
    return this.#own.get(projectId)?.get(name) ?? this.#shared.get(name) ?? null;
  }

  /** As `find`, after reading what has changed: another node may have made it just now. */
  async findFresh(projectId: string, name: string): Promise<ProviderVersion | null> {
    this.#options.health.requireReachable();
    await this.refresh();
    return this.find(projectId, name);
  }

  /** All that the project can name, in the order of their names. */
  list(projectId: string): ProviderVersion[] {
    const names = new Map(this.#shared);
    for (const [name, known] of this.#own.get(projectId) ?? []) names.set(name, known);
    return [...names.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  current(projectId: string, name: string): Provider | null {
    return this.find(projectId, name)?.provider ?? null;
  }

  ofJob(name: string, versionId: string | null): Provider | null {
    if (versionId === null) return this.#options.shared.builtIn.get(name)?.provider ?? null;
    return this.#versions.get(versionId) ?? null;
  }

  /** Whether the operator wrote this version: it is built in or from a file. */
  isOperators(versionId: string | null): boolean {
    return versionId === null || this.#operatorsVersions.has(versionId);
  }

  /** Whether the definition of the job is in memory. */
  knows({ providerVersionId: id }: Pick<LiveJob, "providerVersionId">): boolean {
    return id === null || this.#versions.has(id);
  }

  /** Gives the jobs back once their definitions are in memory. */
  async learn<Job extends Pick<LiveJob, "providerVersionId">>(
    jobs: readonly Job[],
  ): Promise<readonly Job[]> {
    const ids = new Set<string>();
    for (const job of jobs) {
      if (job.providerVersionId !== null && !this.knows(job)) ids.add(job.providerVersionId);
    }
    if (ids.size === 0) return jobs;
    const rows = await loadProviderVersions(this.#options.database, [...ids]);
    for (const id of ids) {
      const row = rows.find((one) => one.id === id);
      this.#versions.set(id, row === undefined ? null : this.#read(row));
      if (row?.projectId === null) this.#operatorsVersions.add(id);
    }
    return jobs;
  }

  #take(row: StoredProviderVersion): void {
    const { projectId, name } = row;
    if (projectId === null) return;
    const own = this.#own.get(projectId) ?? new Map<string, ProviderVersion>();
    this.#own.set(projectId, own);
    const known = own.get(name)?.version;
    if (row.isDeleted) {
      if (!own.delete(name)) return;
    } else {
      if (known?.id === row.id) return;
      const written = parseDefinition(row.definition) as object;
      const provider = this.#versions.get(row.id) ?? this.#read(row);
      this.#versions.set(row.id, provider);
      if (provider === null) return;
      const version = { id: row.id, number: row.version, createdAtMs: row.createdAtMs };
      own.set(name, { name, provider, written, source: "project", version });
    }
    this.#options.onChange(projectId, name);
  }

  #read(row: StoredProviderVersion): Provider | null {
    const reading = readDefinition(withSaneRate(parseDefinition(row.definition)));
    if (reading.ok) return reading.provider;
    const { id, name, version } = row;
    this.#runtime.log.warn(
      { id, name, version },
      "a stored provider definition can't be read by this release",
    );
    return null;
  }
}

/** Earlier releases took slower rates than this one. */
function withSaneRate(definition: unknown): unknown {
  if (!isObject(definition)) return definition;
  const { limits } = definition;
  if (!isObject(limits)) return definition;
  const perSecond = limits["requests_per_second"];
  if (typeof perSecond !== "number" || perSecond >= REQUESTS_PER_SECOND_MIN) return definition;
  return { ...definition, limits: { ...limits, requests_per_second: REQUESTS_PER_SECOND_MIN } };
}
