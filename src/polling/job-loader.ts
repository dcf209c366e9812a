import type { RowKey } from "../store/sql/row-source.ts";
import type { Database } from "../store/db/database.ts";
import { type LiveJob, loadJobs, loadLiveJobs } from "../store/jobs/load-jobs.ts";
import type { ProviderDirectory } from "./upstream/provider-directory.ts";

/** Reads live jobs from the database, and with them the provider definitions they are polled by. */
export class JobLoader {
  readonly #database: Database;
  readonly #providers: ProviderDirectory;

  constructor(database: Database, providers: ProviderDirectory) {
    this.#database = database;
    this.#providers = providers;
  }

  /** Those of the jobs that are live. */
  async load(keys: readonly RowKey[]): Promise<readonly LiveJob[]> {
    return this.#providers.learn(await loadJobs(this.#database, keys));
  }

  /** All live jobs of the shards, page by page. */
  async *loadShards(shardIds: readonly number[]): AsyncGenerator<readonly LiveJob[]> {
    for await (const page of loadLiveJobs(this.#database, shardIds)) {
      yield await this.#providers.learn(page);
    }
  }

  /** Whether the definition of the job is in memory. */
  canPoll(job: LiveJob): boolean {
    return this.#providers.knows(job);
  }
}
