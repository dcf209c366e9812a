import { Acceptor, type AcceptOutcome } from "../intake/acceptor.ts";
import { ApiKeyDirectory } from "../cluster/api-key-directory.ts";
import { registerClusterGauges } from "../cluster/cluster-gauges.ts";
import { HandOver } from "../intake/hand-over.ts";
import { createHousekeeping } from "../cluster/housekeeping.ts";
import { registerLimitGauges } from "../cluster/limit-gauges.ts";
import { LiveJobs } from "../intake/live-jobs.ts";
import { MailReader } from "../intake/mail-reader.ts";
import { ProjectDirectory } from "../cluster/project-directory.ts";
import { ProjectUsage } from "../intake/project-usage.ts";
import { ShardOwnership } from "../cluster/shard-ownership.ts";
import { Sweep } from "../cluster/sweep.ts";
import type { NodeState } from "../core/readiness.ts";
import type { Config } from "../config.ts";
import type { MemoryPlan } from "../core/memory-plan.ts";
import { PROJECT_LIMIT_NAMES, type ProjectLimitName } from "../core/project-limits.ts";
import type { FairSemaphore } from "../lanes/fair-semaphore.ts";
import { registerDeliveryGauges } from "../delivery/delivery-gauges.ts";
import { DeliveryEngine } from "../delivery/delivery-engine.ts";
import { EndingWaits } from "../delivery/waits/ending-waits.ts";
import { FanOutRunner } from "../delivery/fan-out-runner.ts";
import { RedeliveryRunner } from "../delivery/redelivery-runner.ts";
import type { OperatorOrigins } from "../outbound/guard/operator-origins.ts";
import type { RequestClient } from "../outbound/request-client.ts";
import { ConnectionDirectory } from "../polling/upstream/connection-directory.ts";
import { connectionNews, unknownStatusNews } from "../polling/operational-news.ts";
import { Poller } from "../polling/poller.ts";
import { countPoll, registerPollingGauges } from "../polling/polling-gauges.ts";
import { ProviderDirectory, type SharedProviders } from "../polling/upstream/provider-directory.ts";
import type { Upstream } from "../polling/upstream/upstream.ts";
import type { ConnectionLoad } from "../polling/upstream/upstreams.ts";
import type { LiveJobView } from "../polling/watch/list.ts";
import type { LiveTrial, LiveTrialOutcome } from "../providers/trial/trial.ts";
import type { ProcessIdentity } from "../runtime/process/process-identity.ts";
import { type RequestDeadline, withDeadline } from "../runtime/request-deadline.ts";
import type { Service } from "../runtime/service.ts";
import { settledWithin } from "../runtime/settled-within.ts";
import type { ResultLinks } from "../runtime/secrets/result-links.ts";
import type { SecretBox } from "../runtime/secrets/secret-box.ts";
import type { AcceptRequest } from "../store/writes/accept-row.ts";
import type { PooledDatabase } from "../store/db/database.ts";
import { readDeliveryBacklog } from "../store/deliveries/delivery-backlog.ts";
import { FetchedResults } from "../store/jobs/fetched-results.ts";
import { findIdempotencyKey } from "../store/subscriptions/find-idempotency-key.ts";
import { findJob, findJobsOfSubscriptions } from "../store/jobs/find-job.ts";
import { isJobKnown } from "../store/jobs/is-job-known.ts";
import {
  claimProbe,
  pauseConnection,
  resumeConnection,
} from "../store/connections/load-connections.ts";
import { loadJobs, loadLiveJobs } from "../store/jobs/load-jobs.ts";
import { postMail } from "../store/writes/mailbox.ts";
import type { EventRow, RecordedEvent } from "../store/writes/record-events.ts";
import { registerWriteGauges } from "../store/writes/write-gauges.ts";
import { Writers } from "../store/writes/writers.ts";
import type { DatabaseClock } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** A scrape shows what it has by then. */
const SCRAPE_DEADLINE_MS = 2_000;
/** How long a stop waits for what is queued to be written. */
const FLUSH_MS = 2_000;
/** How long a stop waits for those who read what there is to do, before it stops that itself. */
const READERS_GRACE_MS = 1_000;
/** Half of the time that a stop has. */
const LEAVE_AFTER_MS = 4_000;
/** How long a stop waits for requests under way before it cuts them off. */
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
  /** Of what goes out. */
  readonly turns: Readonly<Partial<Record<ProjectLimitName, FairSemaphore>>>;
  readonly callbackClient: RequestClient;
  readonly nodeId: string;
  readonly memory: MemoryPlan;
  readonly identity: ProcessIdentity;
  readonly version: string;
  readonly publicUrl: () => string;
}

/** Polling, delivery and the shards they work on: everything between the API and the outside. */
export class Engine {
  readonly connections: ConnectionDirectory;
  readonly providers: ProviderDirectory;
  readonly projects: ProjectDirectory;
  readonly apiKeys: ApiKeyDirectory;
  /** How many live jobs each project has. */
  readonly liveJobs = new LiveJobs({ watched: () => this.#poller.watches.upstreams.jobsByProject });
  /** Tells the owner of a job what the API did to it. */
  readonly handOver: HandOver;
  readonly redeliveries: RedeliveryRunner;
  readonly #fanOuts: FanOutRunner;
  readonly #runtime: Runtime;
  readonly #options: EngineOptions;
  /** Knows how long the oldest event has been waiting to be recorded. */
  readonly writers: Writers;
  readonly #poller: Poller;
  readonly delivery: DeliveryEngine;
  /** Requests that wait for the end of a job. */
  readonly endingWaits: EndingWaits;
  readonly #ownership: ShardOwnership;
  readonly #mail: MailReader;
  readonly #sweep: Sweep;
  readonly #housekeeping: Service;
  readonly #acceptor: Acceptor;
  readonly #usage: ProjectUsage;

  constructor(runtime: Runtime, options: EngineOptions) {
    this.#runtime = runtime;
    this.#options = options;
    const { database, config } = options;
    const { inlineResultBytesMax } = config;
    this.writers = new Writers({
      ...runtime,
      ...options,
      stopTimeoutMs: FLUSH_MS,
      isDatabaseAway: () => database.health.condition !== "ok",
      inlineResultBytesMax,
    });
    this.projects = new ProjectDirectory(runtime, {
      ...options,
      limitsByDefault: config.projectLimits,
      countRefusal: (name) => runtime.metrics.projectLimitRefusals.add(name),
      onChange: (project) => this.delivery.configure(project),
    });
    this.#usage = new ProjectUsage(runtime, {
      ...options,
      limits: this.projects,
      owns: (shardId) => this.#ownership.owns(shardId),
    });
    this.projects.measuredBy("live_jobs", (projectId) => this.liveJobs.of(projectId));
    this.apiKeys = new ApiKeyDirectory(runtime, options);
    this.#measure(options.turns);
    this.providers = new ProviderDirectory(runtime, {
      ...options,
      shared: options.sharedProviders,
      onChange: (projectId, name) => this.#poller.watches.providerChanged(projectId, name),
    });
    this.#poller = this.#buildPoller();
    this.delivery = this.#buildDelivery();
    this.connections = new ConnectionDirectory(runtime, {
      ...options,
      onChange: (connection, before) => {
        this.#poller.watches.configureConnection(connection);
        this.delivery.operations.tellOnce(connectionNews(before, connection));
      },
    });
    this.#ownership = this.#buildOwnership();
    this.endingWaits = new EndingWaits(runtime, {
      ...options,
      owns: (shardId) => this.#ownership.owns(shardId),
    });
    this.handOver = this.#buildHandOver();
    const ownedShards = () => this.#ownership.owned;
    this.#mail = new MailReader(runtime, {
      ...options,
      ownedShards,
      handlers: this.handOver.handlers,
    });
    this.#sweep = new Sweep(runtime, {
      ...options,
      ownedShards,
      held: this.#poller.watches,
      loadJobs: async (keys) => this.providers.learn(await loadJobs(database, keys)),
    });
    this.#housekeeping = createHousekeeping(runtime, {
      ...options,
      ownedShards,
      keptForMs: config.keptForMs,
      auditKeptForMs: config.auditKeptForMs,
    });
    this.redeliveries = new RedeliveryRunner(runtime, {
      ...options,
      ownedShards,
      perSecondDefault: config.redeliveriesPerSecond,
      redelivered: (deliveries) => this.handOver.redelivered(deliveries),
    });
    this.#fanOuts = new FanOutRunner(runtime, {
      ...options,
      inlineResultBytesMax,
      ownedShards,
      owe: (owed, event, resultBytes) => this.delivery.loop.owe(owed, event, resultBytes),
    });
    this.#acceptor = this.#buildAcceptor();
    this.#registerGauges();
  }

  /** What readiness depends on. */
  get state(): Pick<NodeState, "hasLease" | "oldestUnrecordedEventMs"> {
    const { oldestUnrecordedEventMs } = this.writers;
    return { hasLease: this.#ownership.hasLease, oldestUnrecordedEventMs };
  }

  async start(): Promise<void> {
    await this.apiKeys.start();
    await this.projects.start();
    await this.#usage.start();
    await this.providers.start();
    await this.connections.start();
    await this.#ownership.start();
    await this.#mail.start();
    await this.#sweep.start();
    await this.#housekeeping.start();
    await this.delivery.start();
    await this.redeliveries.start();
    await this.#fanOuts.start();
    await this.endingWaits.start();
  }

  /**
   * Takes no more work, lets what is under way end, writes what is queued, and leaves the shards to
   * the other nodes. Whatever does not end in time is cut off; the database knows it all. However
   * long that takes, the shards are left after `LEAVE_AFTER_MS`, so that no other node has to wait
   * for the lease to run out; the guards of what is recorded make that safe.
   */
  async stop(): Promise<void> {
    const { clock } = this.#runtime;
    const { upstreamClient, callbackClient } = this.#options;
    const leaving = clock.setTimer(LEAVE_AFTER_MS, () => void this.#ownership.stop());
    // Any of them may be in the middle of a statement.
    const readers = [
      this.#mail.stop(),
      this.#housekeeping.stop(),
      this.redeliveries.stop(),
      this.#fanOuts.stop(),
      this.endingWaits.stop(),
    ];
    await settledWithin(clock, Promise.all(readers), READERS_GRACE_MS);
    const quiet = Promise.all([this.#poller.stop(), this.delivery.stop()]);
    await Promise.all([
      upstreamClient.close(REQUESTS_GRACE_MS),
      callbackClient.close(REQUESTS_GRACE_MS),
    ]);
    await settledWithin(clock, quiet, FLUSH_MS);
    // Gives up on rows that the database does not take in time, so what waits for them ends.
    await this.writers.stop();
    await quiet;
    await this.#sweep.stop();
    await this.connections.stop();
    await this.providers.stop();
    await this.#usage.stop();
    await this.projects.stop();
    await this.apiKeys.stop();
    leaving.cancel();
    await this.#ownership.stop();
  }

  /** Rejects at once with `DatabaseAwayError` while nothing can be stored. */
  async accept(request: AcceptRequest, deadline: RequestDeadline): Promise<AcceptOutcome> {
    this.#options.database.health.requireWritable();
    return this.#acceptor.accept(request, deadline);
  }

  /** Asks about a job once, to see what its answer is read as. */
  tryLive(connectionId: string, trial: LiveTrial): Promise<LiveTrialOutcome> {
    return this.#poller.tryLive(connectionId, trial);
  }

  /** A connection at work: its lane, and how to reach its API. */
  upstream(connectionId: string): Upstream {
    return this.#poller.watches.upstream(connectionId);
  }

  /** What this node knows of a job it polls, or null. */
  liveJob(shardId: number, jobRowId: string): LiveJobView | null {
    return this.#poller.watches.view(shardId, jobRowId);
  }

  /** How a connection stands on this node, or null. */
  connectionLoad(connectionId: string): ConnectionLoad | null {
    return this.#poller.watches.upstreams.loadOf(connectionId);
  }

  #measure(turns: EngineOptions["turns"]): void {
    for (const name of PROJECT_LIMIT_NAMES) {
      const semaphore = turns[name];
      if (semaphore === undefined) continue;
      this.projects.measuredBy(name, (projectId) => semaphore.heldBy(projectId));
    }
  }

  #buildPoller(): Poller {
    const { metrics } = this.#runtime;
    const { config, database, upstreamClient, operatorOrigins } = this.#options;
    return new Poller(this.#runtime, {
      ...this.#options,
      providers: this.providers,
      userAgent: `Ringback/${this.#options.version}`,
      ceilings: config.pollCeilings,
      limits: this.projects,
      pollsPerOriginMax: upstreamClient.connectionsPerOriginMax,
      send: (request) => upstreamClient.send(request),
      trusts: (connection, versionId, origin) => {
        const isOperatorsDefinition = this.providers.isOperators(versionId);
        return operatorOrigins.trusts({ ...connection, isOperatorsDefinition }, origin);
      },
      fetched: new FetchedResults(database, config.fetchedResultBytesMax),
      record: (event) => this.#recordEvent(event),
      owe: (owed, event, resultBytes) => this.delivery.loop.owe(owed, event, resultBytes),
      look: (job) => this.handOver.look(job),
      metUnknownStatus: ({ projectId }, watch, status) => {
        if (projectId === null) return;
        this.delivery.operations.tell(unknownStatusNews(projectId, watch, status));
      },
      pauseConnection: (connection, reason) => pauseConnection(database, connection, reason),
      claimProbe: (connection) => claimProbe(database, connection),
      resumeConnection: (connection) => resumeConnection(database, connection),
      observed: (interpretation, failureCode) => countPoll(metrics, interpretation, failureCode),
    });
  }

  async #recordEvent(event: EventRow): Promise<RecordedEvent> {
    const recorded = await this.writers.recordEvent(event);
    if (recorded.fanOut !== null) this.#fanOuts.begin(recorded.fanOut);
    if (recorded.recorded && event.status !== "processing") this.endingWaits.ended(event.jobRowId);
    return recorded;
  }

  #buildDelivery(): DeliveryEngine {
    return new DeliveryEngine(this.#runtime, {
      ...this.#options,
      settings: this.#options.config,
      ownedShards: () => this.#ownership.owned,
      record: (attempt) => this.writers.recordAttempt(attempt),
    });
  }

  #buildOwnership(): ShardOwnership {
    const { database } = this.#options;
    return new ShardOwnership(this.#runtime, {
      ...this.#options,
      address: this.#options.publicUrl(),
      claimed: async (shards) => {
        const unservedMs = new Map(shards.map((shard) => [shard.shardId, shard.unservedMs]));
        for await (const page of loadLiveJobs(database, [...unservedMs.keys()])) {
          await this.providers.learn(page);
          for (const job of page) {
            if (!this.#ownership.owns(job.shardId)) continue;
            const firstPoll = { unservedMs: unservedMs.get(job.shardId) ?? Infinity };
            this.#poller.watches.watch(job, firstPoll);
          }
        }
        this.delivery.loop.reload();
      },
      liveJobs: () => this.liveJobs.here,
      liveJobsElsewhere: (counts) => this.liveJobs.learn(counts),
      shareChanged: (share) => {
        this.#poller.watches.upstreams.setShare(share);
        this.delivery.loop.outbox.setShare(share);
      },
      dropped: (shardId) => {
        this.#poller.watches.dropShard(shardId);
        this.delivery.loop.dropShard(shardId);
      },
    });
  }

  #buildAcceptor(): Acceptor {
    const { database } = this.#options;
    return new Acceptor(this.#runtime, {
      ...this.#options,
      owns: (shardId) => this.#ownership.owns(shardId),
      write: (row, request) => this.writers.accept(row, request),
      liveJobs: this.liveJobs,
      liveJobsMax: (projectId) => this.projects.liveJobsMax(projectId),
      limits: this.projects,
      usage: this.#usage,
      isJobKnown: (job, deadline) => isJobKnown(database.within(deadline), job),
      findUsedKey: (key, deadline) => findIdempotencyKey(database.within(deadline), key),
      watch: (job, firstPoll) => {
        if (this.providers.knows(job)) this.#poller.watches.watch(job, firstPoll);
        // Watched before, under a definition that this node has not met.
        else this.handOver.look(job);
      },
      owe: (owed, event, resultBytes) => this.delivery.loop.owe(owed, event, resultBytes),
      deliver: (deliveries) => this.delivery.loop.deliver(deliveries),
      post: (mail) => postMail(database, mail),
    });
  }

  #buildHandOver(): HandOver {
    const { database } = this.#options;
    return new HandOver(this.#runtime, {
      ...this.#options,
      owns: (shardId) => this.#ownership.owns(shardId),
      post: (mail) => postMail(database, mail),
      loadJobs: async (keys) => this.providers.learn(await loadJobs(database, keys)),
      findJob: (shardId, id) => findJob(database, shardId, id),
      findJobsOf: (subscriptions) => findJobsOfSubscriptions(database, subscriptions),
      cancelUpstream: (job) => this.#poller.cancelUpstream(job),
      watches: this.#poller.watches,
      deliveries: this.delivery.loop,
    });
  }

  #registerGauges(): void {
    const { metrics, clock } = this.#runtime;
    const { database } = this.#options;
    registerPollingGauges(metrics, this.#poller.watches);
    registerDeliveryGauges(metrics, {
      outbox: this.delivery.loop.outbox,
      fanOuts: this.#fanOuts,
      endingWaits: this.endingWaits,
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
      ownedShards: () => this.#ownership.owned,
    });
    registerWriteGauges(metrics, this.writers);
    registerLimitGauges(metrics, this.projects);
  }
}
