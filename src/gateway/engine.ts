import { ChangeWatcher } from "../cluster/change-watcher.ts";
import { registerClusterGauges, registerLimitGauges } from "../cluster/cluster-gauges.ts";
import { MinuteWriter } from "../cluster/minute-writer.ts";
import { createHousekeeping } from "../cluster/housekeeping.ts";
import { Intake } from "../intake/intake.ts";
import { MailboxReader } from "../intake/mailbox-reader.ts";
import { NodeShardWork, ShardActivity } from "../cluster/shards/shard-work.ts";
import { OwnedShards } from "../runtime/owned-shards.ts";
import { JobLoader } from "../polling/job-loader.ts";
import { ShardOwnership } from "../cluster/shards/shard-ownership.ts";
import { StatusCounter } from "../cluster/status-counter.ts";
import { StoredUsage } from "../cluster/stored-usage.ts";
import { Sweep } from "../cluster/shards/sweep.ts";
import { Views } from "../cluster/views.ts";
import type { NodeState } from "../core/readiness.ts";
import type { Config } from "../config.ts";
import type { MemoryPlan } from "../core/limits/machine-plan.ts";
import { PROJECT_LIMIT_NAMES, type ProjectLimitName } from "../core/limits/project-limits.ts";
import type { FairSemaphore } from "../lanes/shares/fair-semaphore.ts";
import { LoopCrowd, PROCESS_LOOP } from "../lanes/shares/loop-crowd.ts";
import { registerDeliveryGauges } from "../delivery/delivery-gauges.ts";
import { DeliveryEngine } from "../delivery/delivery-engine.ts";
import { Waits } from "../delivery/waits/waits.ts";
import { FanOutRunner } from "../delivery/fan-out-runner.ts";
import { RedeliveryRunner } from "../delivery/redelivery-runner.ts";
import type { OperatorOrigins } from "../outbound/guard/operator-origins.ts";
import type { RequestClient } from "../outbound/request-client.ts";
import { connectionEvent } from "../polling/events.ts";
import { Poller } from "../polling/poller.ts";
import { registerPollingGauges } from "../polling/polling-gauges.ts";
import type { SharedProviders } from "../polling/upstream/provider-directory.ts";
import type { ChangeSignal } from "../runtime/change-signal.ts";
import type { ProcessIdentity } from "../runtime/process/process-identity.ts";
import { withDeadline } from "../runtime/request-deadline.ts";
import type { ResultLinks } from "../runtime/secrets/result-links.ts";
import type { SecretBox } from "../runtime/secrets/secret-box.ts";
import type { PooledDatabase } from "../store/db/database.ts";
import type { RetryTransient } from "../store/db/retry-transient.ts";
import { readDeliveryBacklog } from "../store/deliveries/find-due-deliveries.ts";
import { FetchedResults } from "../store/jobs/fetched-results.ts";
import {
  claimProbe,
  pauseConnection,
  resumeConnection,
} from "../store/connections/load-connections.ts";
import { registerWriteGauges, Writers } from "../store/writes/writers.ts";
import type { DatabaseClock } from "../runtime/clock.ts";
import type { Runtime, Service } from "../runtime/runtime.ts";
import { settledWithin } from "../runtime/clock.ts";
import { Directories } from "./directories.ts";

/** A scrape shows what it has by then. */
const SCRAPE_DEADLINE_MS = 2_000;
/** How long a stop waits for what is queued to be written. */
const FLUSH_MS = 2_000;
/** How long a stop waits for those who read what there is to do, before it stops that itself. */
const READERS_GRACE_MS = 1_000;
/** Half of the time that a stop has. */
const LEAVE_AFTER_MS = 4_000;
/** How long a stop waits for requests in progress before it aborts them. */
const REQUESTS_GRACE_MS = 2_500;

export interface EngineOptions {
  readonly config: Config;
  readonly databaseClock: DatabaseClock;
  readonly database: PooledDatabase;
  readonly secretBox: SecretBox;
  readonly sharedProviders: SharedProviders;
  readonly resultLinks: ResultLinks;
  readonly upstreamClient: RequestClient;
  readonly operatorOrigins: OperatorOrigins;
  /** The semaphores of outgoing requests. */
  readonly turns: Readonly<Partial<Record<ProjectLimitName, Pick<FairSemaphore, "heldBy">>>>;
  readonly callbackClient: RequestClient;
  readonly nodeId: string;
  readonly memory: MemoryPlan;
  readonly identity: ProcessIdentity;
  readonly version: string;
  readonly publicUrl: () => string;
}

/** Polling, delivery and the shards they work on: everything between the API and the outside. */
export class Engine {
  readonly delivery: DeliveryEngine;
  readonly directories: Directories;
  readonly poller: Poller;
  readonly intake: Intake;
  readonly views: Views;
  readonly waits: Waits;
  readonly redeliveries: RedeliveryRunner;
  readonly statusCounter: StatusCounter;
  /** Requests and callbacks share the event loop. */
  readonly loopCrowd = new LoopCrowd(PROCESS_LOOP);
  readonly #storedUsage: StoredUsage;
  readonly #runtime: Runtime;
  readonly #options: EngineOptions;
  readonly #shards = new OwnedShards();
  readonly #changes: ChangeWatcher;
  readonly #writers: Writers;
  readonly #fanOuts: FanOutRunner;
  readonly #mail: MailboxReader;
  readonly #ownership: ShardOwnership;
  readonly #sweep: Sweep;
  readonly #housekeeping: Service;
  readonly #minutes: MinuteWriter;

  /** From the bottom up: each part gets the parts below it. */
  constructor(runtime: Runtime, options: EngineOptions) {
    this.#runtime = runtime;
    this.#options = options;
    const { database, config, nodeId } = options;
    const shards = this.#shards;
    const { inlineResultBytesMax } = config;
    const activity = new ShardActivity(runtime);
    this.#changes = new ChangeWatcher(runtime, {
      database,
      nodeId,
      shards,
      due: () => this.delivery.loop.readUpTo,
    });
    const { signals } = this.#changes;
    this.#writers = new Writers(runtime, {
      activity,
      database,
      stopTimeoutMs: FLUSH_MS,
      isDatabaseAway: () => database.health.condition !== "ok",
      inlineResultBytesMax,
    });
    this.waits = new Waits(runtime, { nodeId, database, shards, inlineResultBytesMax });
    this.delivery = new DeliveryEngine(runtime, {
      ...options,
      shards,
      writers: this.#writers,
      inboxFeed: this.waits.inboxFeed,
      loopCrowd: this.loopCrowd,
      dueChanges: signals.dueDeliveries,
      eventChanges: signals.operationalEvents,
    });
    const { loop: deliveryLoop } = this.delivery;
    const stored = { database, shards, inlineResultBytesMax, deliveryLoop };
    this.#fanOuts = new FanOutRunner(runtime, {
      ...stored,
      changes: signals.fanOuts,
      loopCrowd: this.loopCrowd,
    });
    this.directories = this.#buildDirectories(signals);
    const jobs = new JobLoader(database, this.directories.providers);
    this.poller = this.#buildPoller(jobs);
    const { poller } = this;
    const { watches } = poller;
    this.intake = new Intake(runtime, {
      ...stored,
      usageChanges: signals.usage,
      limits: this.directories.projects,
      writers: this.#writers,
      poller,
    });
    const { commands, liveJobs } = this.intake;
    const { outbox } = deliveryLoop;
    const hasNeighbors = (): boolean => this.#changes.hasNeighbors;
    const shown = { nodeId, database, shards, hasNeighbors, poller, outbox, commands };
    this.views = new Views(runtime, shown);
    this.#mail = this.#buildMail(signals.mail, activity);
    this.redeliveries = new RedeliveryRunner(runtime, {
      changes: signals.redeliveries,
      database,
      shards,
      perSecondDefault: config.redeliveriesPerSecond,
      redelivered: (deliveries) => commands.redelivered(deliveries),
    });
    this.#ownership = new ShardOwnership(runtime, {
      ...options,
      changes: signals.cluster,
      shards,
      address: options.publicUrl(),
      work: new NodeShardWork({ shards, jobs, poller, delivery: this.delivery, liveJobs }),
    });
    this.#sweep = new Sweep(runtime, { database, shards, watches, jobs, activity });
    this.statusCounter = new StatusCounter(runtime, database);
    this.#storedUsage = new StoredUsage(runtime, database);
    this.#minutes = new MinuteWriter(runtime, options);
    this.#housekeeping = createHousekeeping(runtime, { ...config, database, shards });
    this.#registerGauges();
  }

  /** The state that readiness depends on. */
  get state(): Pick<NodeState, "hasLease" | "oldestUnrecordedEventMs"> {
    const { oldestUnrecordedEventMs } = this.#writers;
    return { hasLease: this.#ownership.hasLease, oldestUnrecordedEventMs };
  }

  async start(retry: RetryTransient): Promise<void> {
    await this.directories.start(retry);
    const steps: readonly (readonly [name: string, service: Pick<Service, "start">])[] = [
      ["project usage", this.intake.usage],
      ["lease", this.#ownership],
      ["mailboxes", this.#mail],
      ["sweep", this.#sweep],
      ["housekeeping", this.#housekeeping],
      ["lanes", this.views.lanes],
      ["statistics", this.#minutes],
      ["delivery", this.delivery],
      ["redeliveries", this.redeliveries],
      ["fan-outs", this.#fanOuts],
      ["waits", this.waits],
      ["changes", this.#changes],
    ];
    for (const [name, service] of steps) await retry(name, () => service.start());
  }

  /** Ends the requests that wait for something to happen, and keeps none for long from now on. */
  endWaits(): void {
    this.waits.beginStopping();
    this.views.statuses.beginStopping();
  }

  /**
   * Takes no more work, finishes work in progress, writes queued rows, and releases the shards to
   * the other nodes. Work that does not end in time is aborted; the database knows all of it. However
   * long that takes, the shards are left after `LEAVE_AFTER_MS`, so that no other node has to wait
   * for the lease to run out; the guards of what is recorded make that safe.
   */
  async stop(): Promise<void> {
    const { clock } = this.#runtime;
    const { upstreamClient, callbackClient } = this.#options;
    const leaving = clock.setTimer(LEAVE_AFTER_MS, () => void this.#ownership.stop());
    // Any of them may be in the middle of a statement.
    const readers = [
      this.#changes.stop(),
      this.#mail.stop(),
      this.#housekeeping.stop(),
      this.views.lanes.stop(),
      this.statusCounter.stop(),
      this.#storedUsage.stop(),
      this.redeliveries.stop(),
      this.#fanOuts.stop(),
      this.waits.stop(),
    ];
    await settledWithin(clock, Promise.all(readers), READERS_GRACE_MS);
    const quiet = Promise.all([this.poller.stop(), this.delivery.stop()]);
    await Promise.all([
      upstreamClient.close(REQUESTS_GRACE_MS),
      callbackClient.close(REQUESTS_GRACE_MS),
    ]);
    await settledWithin(clock, quiet, FLUSH_MS);
    // Gives up on rows that the database does not take in time, so what waits for them ends.
    await this.#writers.stop();
    await quiet;
    await settledWithin(clock, this.#minutes.stop(), FLUSH_MS);
    await this.#sweep.stop();
    await this.intake.usage.stop();
    await this.directories.stop();
    leaving.cancel();
    await this.#ownership.stop();
  }

  /** Parts that were built before are told here what projects may use. */
  #buildDirectories(signals: ChangeWatcher["signals"]): Directories {
    const { database, config, sharedProviders, turns } = this.#options;
    const { delivery } = this;
    const directories = new Directories(this.#runtime, {
      database,
      signals,
      limitsByDefault: config.projectLimits,
      sharedProviders,
      delivery,
      onProvider: (projectId, name) => this.poller.watches.providerChanged(projectId, name),
      onConnection: (connection, before) => {
        this.poller.watches.configureConnection(connection);
        delivery.operationalEvents.publishOnce(connectionEvent(before, connection));
      },
    });
    const { projects: limits } = directories;
    delivery.loop.outbox.keepTo(limits);
    delivery.operationalEvents.keepTo(limits);
    database.callsPerGroupMax = (group) => limits.allowed(group, "database_calls");
    limits.measuredBy("database_calls", (projectId) => database.callsOf(projectId));
    for (const name of PROJECT_LIMIT_NAMES) {
      const semaphore = turns[name];
      if (semaphore === undefined) continue;
      limits.measuredBy(name, (projectId) => semaphore.heldBy(projectId));
    }
    return directories;
  }

  #buildMail(changes: ChangeSignal, activity: ShardActivity): MailboxReader {
    const { lanes, inspector, statuses } = this.views;
    return new MailboxReader(this.#runtime, {
      changes,
      hasNeighbors: () => this.#changes.hasNeighbors,
      activity,
      database: this.#options.database,
      shards: this.#shards,
      handlers: {
        ...this.intake.commands.handlers,
        inspect: (questions) => inspector.answer(questions),
        observe: (questions) => statuses.answer(questions),
        tryOrigin: (reports) => lanes.tryReported(reports),
      },
    });
  }

  #buildPoller(jobs: JobLoader): Poller {
    const { config, database, operatorOrigins, version } = this.#options;
    const { loop: deliveryLoop, operationalEvents } = this.delivery;
    const { projects, providers } = this.directories;
    return new Poller(this.#runtime, {
      ...this.#options,
      shards: this.#shards,
      providers,
      jobs,
      userAgent: `Ringback/${version}`,
      ceilings: config.pollCeilings,
      limits: projects,
      trusts: (connection, versionId, origin) => {
        const isOperatorsDefinition = providers.isOperators(versionId);
        return operatorOrigins.trusts({ ...connection, isOperatorsDefinition }, origin);
      },
      fetched: new FetchedResults(database, config.fetchedResultBytesMax),
      writers: this.#writers,
      fanOuts: this.#fanOuts,
      endingWaits: this.waits.endings,
      deliveryLoop,
      operationalEvents,
      connectionStates: {
        pause: (connection, reason) => pauseConnection(database, connection, reason),
        claimProbe: (connection) => claimProbe(database, connection),
        resume: (connection) => resumeConnection(database, connection),
      },
    });
  }

  #registerGauges(): void {
    const { metrics, clock } = this.#runtime;
    const { database } = this.#options;
    registerPollingGauges(metrics, this.poller.watches);
    registerDeliveryGauges(metrics, {
      loop: this.delivery.loop,
      fanOuts: this.#fanOuts,
      waits: this.waits,
      readBacklog: () =>
        withDeadline(clock, SCRAPE_DEADLINE_MS, (deadline) =>
          readDeliveryBacklog(database.within(deadline)),
        ),
    });
    metrics.info("ringback_build_info", "The release that runs, with the value 1.", {
      version: this.#options.version,
      node_version: process.version,
    });
    metrics.gauge(
      "ringback_connections_paused",
      "Connections of all projects that are paused.",
      () => this.directories.connections.pausedCount,
    );
    registerClusterGauges(metrics, {
      clock: this.#options.databaseClock,
      shards: this.#shards,
    });
    registerWriteGauges(metrics, this.#writers);
    registerLimitGauges(metrics, this.directories.projects, this.#storedUsage);
  }
}
