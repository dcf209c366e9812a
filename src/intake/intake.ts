import type { ChangeSignal } from "../runtime/change-signal.ts";
import type { ProjectLimits } from "../core/limits/project-limits.ts";
import type { DeliveryLoop } from "../delivery/delivery-loop.ts";
import type { Poller } from "../polling/poller.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { PooledDatabase } from "../store/db/database.ts";
import type { Writers } from "../store/writes/writers.ts";
import { acceptLookups, Acceptor } from "./acceptor.ts";
import { CommandRouter } from "./command-router.ts";
import { InboxDirectory } from "./inbox-directory.ts";
import { LiveJobs } from "./live-jobs.ts";
import { ProjectUsage } from "./project-usage.ts";

interface IntakeOptions {
  readonly usageChanges: ChangeSignal;
  readonly database: PooledDatabase;
  readonly shards: OwnedShards;
  readonly limits: ProjectLimits;
  readonly inlineResultBytesMax: number;
  readonly writers: Writers;
  readonly poller: Poller;
  readonly deliveryLoop: DeliveryLoop;
}

/** Takes what clients ask for: within their project's limits, stored, and handed to the owner of its shard. */
export class Intake {
  readonly acceptor: Acceptor;
  readonly commands: CommandRouter;
  readonly inboxes: InboxDirectory;
  readonly liveJobs: LiveJobs;
  readonly usage: ProjectUsage;

  constructor(runtime: Runtime, options: IntakeOptions) {
    const { database, limits, usageChanges: changes } = options;
    this.commands = new CommandRouter(runtime, options);
    this.inboxes = new InboxDirectory(runtime, limits);
    this.liveJobs = new LiveJobs(options.poller.watches.upstreams);
    this.usage = new ProjectUsage(runtime, { ...options, changes });
    this.acceptor = new Acceptor(runtime, {
      ...options,
      health: database.health,
      lookups: acceptLookups(database),
      liveJobs: this.liveJobs,
      usage: this.usage,
      commands: this.commands,
    });
    limits.measuredBy("live_jobs", (projectId) => this.liveJobs.of(projectId));
  }
}
