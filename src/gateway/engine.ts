import { ChangeWatcher } from "../cluster/change-watcher.ts";
import { ShardActivity } from "../cluster/shards/shard-activity.ts";
import { acceptLookups, Acceptor } from "../intake/acceptor.ts";
import { ApiKeyDirectory } from "../cluster/api-keys/api-key-directory.ts";
import { registerClusterGauges, registerLimitGauges } from "../cluster/cluster-gauges.ts";
import { CommandRouter } from "../intake/command-router.ts";
import { MinuteWriter } from "../cluster/minute-writer.ts";
import { createHousekeeping } from "../cluster/housekeeping.ts";
import { ConnectionLoads } from "../cluster/connection-loads.ts";
import { Inspector } from "../cluster/inspector.ts";
import { LaneBoard } from "../cluster/lane-board.ts";
import { InboxDirectory } from "../intake/inbox-directory.ts";
import { LiveJobs } from "../intake/live-jobs.ts";
import { MailboxReader } from "../intake/mailbox-reader.ts";
import { ProjectDirectory } from "../cluster/project-directory.ts";
import { ProjectUsage } from "../intake/project-usage.ts";
import { NodeShardWork } from "../cluster/shards/shard-work.ts";
import { OwnedShards } from "../runtime/owned-shards.ts";
import { JobLoader } from "../polling/job-loader.ts";
import { ShardOwnership } from "../cluster/shards/shard-ownership.ts";
import { StatusCounter } from "../cluster/status-counter.ts";
import { Sweep } from "../cluster/shards/sweep.ts";
import type { NodeState } from "../core/readiness.ts";
import type { Config } from "../config.ts";
import type { MemoryPlan } from "../core/limits/memory-plan.ts";
import { PROJECT_LIMIT_NAMES, type ProjectLimitName } from "../core/limits/project-limits.ts";
import type { FairSemaphore } from "../lanes/shares/fair-semaphore.ts";
import { registerDeliveryGauges } from "../delivery/delivery-gauges.ts";
import { DeliveryEngine } from "../delivery/delivery-engine.ts";
import { ConsumerClaims } from "../delivery/waits/consumer-claims.ts";
import { EndingWaits } from "../delivery/waits/ending-waits.ts";
import { EventWaits } from "../delivery/waits/event-waits.ts";
import { InboxFeed } from "../delivery/waits/inbox-feed.ts";
import { FanOutRunner } from "../delivery/fan-out-runner.ts";
import { RedeliveryRunner } from "../delivery/redelivery-runner.ts";
import type { OperatorOrigins } from "../outbound/guard/operator-origins.ts";
import type { RequestClient } from "../outbound/request-client.ts";
import { ConnectionDirectory } from "../polling/upstream/connection-directory.ts";
import { connectionEvent } from "../polling/operational-events.ts";
import { Poller } from "../polling/poller.ts";
import { registerPollingGauges } from "../polling/polling-gauges.ts";
import { ProviderDirectory, type SharedProviders } from "../polling/upstream/provider-directory.ts";
import type { ProcessIdentity } from "../runtime/process/process-identity.ts";
import { withDeadline } from "../runtime/request-deadline.ts";
import type { Service } from "../runtime/service.ts";
import type { ResultLinks } from "../runtime/secrets/result-links.ts";
import type { SecretBox } from "../runtime/secrets/secret-box.ts";
import type { PooledDatabase } from "../store/db/database.ts";
import type { RetryTransient } from "../store/db/retry-transient.ts";
import { readDeliveryBacklog } from "../store/deliveries/delivery-backlog.ts";
import { FetchedResults } from "../store/jobs/fetched-results.ts";
import {
  claimProbe,
  pauseConnection,
  resumeConnection,
} from "../store/connections/load-connections.ts";
import { registerWriteGauges, Writers } from "../store/writes/writers.ts";
import type { DatabaseClock } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { settledWithin } from "../runtime/clock.ts";

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
  readonly projects: ProjectDirectory;
  readonly apiKeys: ApiKeyDirectory;
  readonly providers: ProviderDirectory;
  readonly connections: ConnectionDirectory;
  readonly delivery: DeliveryEngine;
  readonly poller: Poller;
  readonly commands: CommandRouter;
  readonly acceptor: Acceptor;
  readonly redeliveries: RedeliveryRunner;
  /** Status of lanes, on all nodes. */
  readonly lanes: LaneBoard;
  /** Asks whichever node owns a job what it knows of it. */
  readonly inspector: Inspector;
  readonly connectionLoads: ConnectionLoads;
  /** Requests that wait for the end of a job. */
  readonly endingWaits: EndingWaits;
  readonly eventWaits: EventWaits;
  /** Requests that wait for messages of inboxes. */
  readonly inboxFeed: InboxFeed;
  readonly consumerClaims: ConsumerClaims;
  readonly inboxes: InboxDirectory;
  readonly #runtime: Runtime;
  readonly #options: EngineOptions;
  readonly #shards = new OwnedShards();
  readonly #writers: Writers;
  readonly #fanOuts: FanOutRunner;
  readonly #usage: ProjectUsage;
  readonly #mail: MailboxReader;
  readonly #ownership: ShardOwnership;
  readonly #sweep: Sweep;
  readonly #changes: ChangeWatcher;
  readonly #housekeeping: Service;
  readonly statusCounter: StatusCounter;
  readonly #minutes: MinuteWriter;

  /** From the bottom up: each part gets the parts below it. */
  constructor(runtime: Runtime, options: EngineOptions) {
    this.#runtime = runtime;
    this.#options = options;
    const { database, config } = options;
    const shards = this.#shards;
    const { inlineResultBytesMax } = config;
    const activity = new ShardActivity(runtime);
    this.#changes = new ChangeWatcher(runtime, {
      database,
      nodeId: options.nodeId,
      shards,
      due: () => this.delivery.loop.readUpTo,
    });
    const { signals } = this.#changes;
    this.#writers = new Writers({
      activity,
      ...runtime,
      ...options,
      stopTimeoutMs: FLUSH_MS,
      isDatabaseAway: () => database.health.condition !== "ok",
      inlineResultBytesMax,
    });
    const writers = this.#writers;
    this.consumerClaims = new ConsumerClaims(runtime, options);
    this.inboxFeed = new InboxFeed(runtime, {
      database,
      shards,
      inlineResultBytesMax,
      claims: this.consumerClaims,
    });
    const { inboxFeed } = this;
    this.delivery = new DeliveryEngine(runtime, {
      ...options,
      shards,
      writers,
      inboxFeed,
      dueChanges: signals.dueDeliveries,
      eventChanges: signals.operationalEvents,
    });
    const { loop: deliveryLoop, operationalEvents } = this.delivery;
    this.#fanOuts = new FanOutRunner(runtime, {
      changes: signals.fanOuts,
      database,
      shards,
      inlineResultBytesMax,
      deliveryLoop,
    });
    this.endingWaits = new EndingWaits(runtime, { database, shards });
    this.eventWaits = new EventWaits(runtime, database);
    this.projects = new ProjectDirectory(runtime, {
      changes: signals.projects,
      database,
      limitsByDefault: config.projectLimits,
      delivery: this.delivery,
    });
    const limits = this.projects;
    database.callsPerGroupMax = (group) => limits.allowed(group, "database_calls");
    limits.measuredBy("database_calls", (projectId) => database.callsOf(projectId));
    deliveryLoop.outbox.keepTo(limits);
    operationalEvents.keepTo(limits);
    this.inboxes = new InboxDirectory(runtime, limits);
    this.apiKeys = new ApiKeyDirectory(runtime, { ...options, changes: signals.apiKeys });
    this.providers = new ProviderDirectory(runtime, {
      changes: signals.providers,
      database,
      health: database.health,
      shared: options.sharedProviders,
      onChange: (projectId, name) => this.poller.watches.providerChanged(projectId, name),
    });
    const jobs = new JobLoader(database, this.providers);
    this.poller = this.#buildPoller(jobs);
    const { poller } = this;
    this.connections = new ConnectionDirectory(runtime, {
      changes: signals.connections,
      database,
      health: database.health,
      onChange: (connection, before) => {
        poller.watches.configureConnection(connection);
        operationalEvents.publishOnce(connectionEvent(before, connection));
      },
    });
    const liveJobs = new LiveJobs(poller.watches.upstreams);
    this.commands = new CommandRouter(runtime, { database, shards, poller, deliveryLoop });
    const { commands } = this;
    const { watches } = poller;
    const { outbox } = deliveryLoop;
    this.lanes = new LaneBoard(runtime, {
      database,
      shards,
      nodeId: options.nodeId,
      upstreams: watches.upstreams,
      outbox,
      commands,
    });
    this.inspector = new Inspector(runtime, {
      database,
      shards,
      watches,
      rawAnswers: this.poller.rawAnswers,
      upstreams: watches.upstreams,
      outbox,
      commands,
    });
    this.connectionLoads = new ConnectionLoads(runtime, {
      nodeId: options.nodeId,
      upstreams: watches.upstreams,
      inspector: this.inspector,
    });
    this.#mail = new MailboxReader(runtime, {
      changes: signals.mail,
      hasNeighbors: () => this.#changes.hasNeighbors,
      activity,
      database,
      shards,
      handlers: {
        ...commands.handlers,
        inspect: (questions) => this.inspector.answer(questions),
        tryOrigin: (reports) => this.lanes.tryReported(reports),
      },
    });
    this.#usage = new ProjectUsage(runtime, {
      changes: signals.usage,
      database,
      shards,
      limits,
      inlineResultBytesMax,
    });
    this.acceptor = new Acceptor(runtime, {
      health: database.health,
      shards,
      writers,
      liveJobs,
      limits,
      usage: this.#usage,
      lookups: acceptLookups(database),
      poller,
      deliveryLoop,
      commands,
    });
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
      work: new NodeShardWork({ shards, jobs, watches, delivery: this.delivery, liveJobs }),
    });
    this.#sweep = new Sweep(runtime, { database, shards, watches, jobs, activity });
    this.statusCounter = new StatusCounter(runtime, database);
    this.#minutes = new MinuteWriter(runtime, options);
    this.#housekeeping = createHousekeeping(runtime, {
      database,
      shards,
      keptForMs: config.keptForMs,
      auditKeptForMs: config.auditKeptForMs,
    });
    this.#measureLimits(liveJobs);
    this.#registerGauges();
  }

  /** The state that readiness depends on. */
  get state(): Pick<NodeState, "hasLease" | "oldestUnrecordedEventMs"> {
    const { oldestUnrecordedEventMs } = this.#writers;
    return { hasLease: this.#ownership.hasLease, oldestUnrecordedEventMs };
  }

  async start(retry: RetryTransient): Promise<void> {
    const steps: readonly (readonly [name: string, service: Pick<Service, "start">])[] = [
      ["API keys", this.apiKeys],
      ["projects", this.projects],
      ["project usage", this.#usage],
      ["providers", this.providers],
      ["connections", this.connections],
      ["lease", this.#ownership],
      ["mailboxes", this.#mail],
      ["sweep", this.#sweep],
      ["housekeeping", this.#housekeeping],
      ["lanes", this.lanes],
      ["statistics", this.#minutes],
      ["delivery", this.delivery],
      ["redeliveries", this.redeliveries],
      ["fan-outs", this.#fanOuts],
      ["ending waits", this.endingWaits],
      ["event waits", this.eventWaits],
      ["inboxes", this.inboxFeed],
      ["changes", this.#changes],
    ];
    for (const [name, service] of steps) await retry(name, () => service.start());
  }

  /** Ends the requests that wait for something to happen, and keeps none for long from now on. */
  endWaits(): void {
    this.endingWaits.beginStopping();
    this.eventWaits.beginStopping();
    this.inboxFeed.beginStopping();
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
      this.lanes.stop(),
      this.statusCounter.stop(),
      this.redeliveries.stop(),
      this.#fanOuts.stop(),
      this.endingWaits.stop(),
      this.eventWaits.stop(),
      this.inboxFeed.stop(),
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
    await this.connections.stop();
    await this.providers.stop();
    await this.#usage.stop();
    await this.projects.stop();
    await this.apiKeys.stop();
    leaving.cancel();
    await this.#ownership.stop();
  }

  #measureLimits(liveJobs: LiveJobs): void {
    const { turns } = this.#options;
    this.projects.measuredBy("live_jobs", (projectId) => liveJobs.of(projectId));
    for (const name of PROJECT_LIMIT_NAMES) {
      const semaphore = turns[name];
      if (semaphore === undefined) continue;
      this.projects.measuredBy(name, (projectId) => semaphore.heldBy(projectId));
    }
  }

  #buildPoller(jobs: JobLoader): Poller {
    const { config, database, operatorOrigins, version } = this.#options;
    const { loop: deliveryLoop, operationalEvents } = this.delivery;
    return new Poller(this.#runtime, {
      ...this.#options,
      shards: this.#shards,
      providers: this.providers,
      jobs,
      userAgent: `Ringback/${version}`,
      ceilings: config.pollCeilings,
      limits: this.projects,
      trusts: (connection, versionId, origin) => {
        const isOperatorsDefinition = this.providers.isOperators(versionId);
        return operatorOrigins.trusts({ ...connection, isOperatorsDefinition }, origin);
      },
      fetched: new FetchedResults(database, config.fetchedResultBytesMax),
      writers: this.#writers,
      fanOuts: this.#fanOuts,
      endingWaits: this.endingWaits,
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
      outbox: this.delivery.loop.outbox,
      fanOuts: this.#fanOuts,
      endingWaits: this.endingWaits,
      eventWaits: this.eventWaits,
      inboxFeed: this.inboxFeed,
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
      () => this.connections.pausedCount,
    );
    registerClusterGauges(metrics, {
      clock: this.#options.databaseClock,
      shards: this.#shards,
    });
    registerWriteGauges(metrics, this.#writers);
    registerLimitGauges(metrics, this.projects);
  }
}
