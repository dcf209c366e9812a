import { ApiKeyDirectory } from "../cluster/api-keys/api-key-directory.ts";
import type { ChangeWatcher } from "../cluster/change-watcher.ts";
import { ProjectDirectory } from "../cluster/project-directory.ts";
import type { ProjectLimitDefaults } from "../core/limits/project-limits.ts";
import type { DeliveryEngine } from "../delivery/delivery-engine.ts";
import {
  ConnectionDirectory,
  type ConnectionDirectoryOptions,
} from "../polling/upstream/connection-directory.ts";
import {
  ProviderDirectory,
  type ProviderDirectoryOptions,
  type SharedProviders,
} from "../polling/upstream/provider-directory.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { PooledDatabase } from "../store/db/database.ts";
import type { RetryTransient } from "../store/db/retry-transient.ts";

interface DirectoriesOptions {
  readonly database: PooledDatabase;
  readonly signals: ChangeWatcher["signals"];
  readonly limitsByDefault: ProjectLimitDefaults;
  readonly sharedProviders: SharedProviders;
  readonly delivery: DeliveryEngine;
  readonly onProvider: ProviderDirectoryOptions["onChange"];
  readonly onConnection: ConnectionDirectoryOptions["onChange"];
}

/** Small tables that every request and poll needs, held in memory and kept fresh. */
export class Directories {
  readonly apiKeys: ApiKeyDirectory;
  readonly projects: ProjectDirectory;
  readonly providers: ProviderDirectory;
  readonly connections: ConnectionDirectory;

  constructor(runtime: Runtime, options: DirectoriesOptions) {
    const { database, signals } = options;
    const { health } = database;
    this.apiKeys = new ApiKeyDirectory(runtime, database, signals.apiKeys);
    this.projects = new ProjectDirectory(runtime, { ...options, changes: signals.projects });
    this.providers = new ProviderDirectory(runtime, {
      changes: signals.providers,
      database,
      health,
      shared: options.sharedProviders,
      onChange: options.onProvider,
    });
    this.connections = new ConnectionDirectory(runtime, {
      changes: signals.connections,
      database,
      health,
      onChange: options.onConnection,
    });
  }

  async start(retry: RetryTransient): Promise<void> {
    await retry("API keys", () => this.apiKeys.start());
    await retry("projects", () => this.projects.start());
    await retry("providers", () => this.providers.start());
    await retry("connections", () => this.connections.start());
  }

  async stop(): Promise<void> {
    await this.connections.stop();
    await this.providers.stop();
    await this.projects.stop();
    await this.apiKeys.stop();
  }
}
