import { Idle } from "../runtime/stopping.ts";
import type { JobLoader } from "./job-loader.ts";
import type { RowKey } from "../store/sql/row-source.ts";
import type { LiveJob } from "../store/jobs/load-jobs.ts";
import type { RequestClient } from "../outbound/request-client.ts";
import type { OperationalEvents } from "../delivery/operational/operational-events.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { Breaker } from "../core/pace/breaker.ts";
import type { EventType } from "../core/delivery/event.ts";
import type { PollCeilings } from "../core/limits/poll-ceilings.ts";
import type { ProjectLimits } from "../core/limits/project-limits.ts";
import { ReadingTime } from "../lanes/shares/reading-time.ts";
import { pollOutcomeOf } from "../core/waiting/job-wait.ts";
import { decideAfterPoll, type Ending, type JobStep, timedOut } from "../core/job/job.ts";
import type { Observation } from "../core/job/observation.ts";
import type { Interpretation } from "../providers/answer/interpret.ts";
import type { LiveTrial, LiveTrialOutcome } from "../providers/trial/trial.ts";
import type { SecretBox } from "../runtime/secrets/secret-box.ts";
import type { UpstreamJob } from "../store/jobs/find-job.ts";
import {
  type PollResult,
  laneVerdictOf,
  StatusFetcher,
  type StatusFetcherOptions,
} from "./request/status-fetcher.ts";
import { unknownStatusEvent } from "./events.ts";
import { cancelUpstream } from "./request/cancel.ts";
import { EventRecorder, type EventRecorderOptions } from "./event-recorder.ts";
import { tryLive } from "./live-trial.ts";
import { type FetchOutcome, ResultFetcher, type ResultFetcherOptions } from "./result/fetcher.ts";
import type { UpstreamAccess } from "./upstream/access.ts";
import type { JobProviders, Upstream, UpstreamOptions } from "./upstream/upstream.ts";
import { ObservedAnswers } from "./watch/observed-answers.ts";
import { WatchList } from "./watch/list.ts";
import { RawAnswers } from "./watch/raw-answers.ts";
import { clipError, wants, wantsResultFetched, type Watch } from "./watch/watch.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** How long a job waits whose event the database refused for good; only a bug gets here. */
const REFUSED_EVENT_RETRY_MS = 60_000;
/** How long a refused credential is not tried again when the pause could not be stored. */
const UNRECORDED_PAUSE_MS = 5_000;

/** How long until a probe is tried again that was another node's, or that no job was there for. */
const PROBE_AGAIN_MS = 5_000;

interface ConnectionVersion {
  readonly id: string;
  readonly credentialVersion: number;
}

/** Changes the state of a connection for all nodes. Implemented by the store; tests use a double. */
interface ConnectionStates {
  pause(connection: ConnectionVersion, reason: string): Promise<void>;
  /** Whether this node is to probe a paused connection now. */
  claimProbe(connection: ConnectionVersion): Promise<boolean>;
  resume(connection: ConnectionVersion): Promise<void>;
}

interface PollerOptions
  extends
    EventRecorderOptions,
    Omit<StatusFetcherOptions, "observed" | "rawAnswers">,
    ResultFetcherOptions {
  readonly providers: JobProviders;
  readonly secretBox: SecretBox;
  /** Sent unless the definition has one of its own. */
  readonly userAgent: string;
  readonly ceilings: PollCeilings;
  readonly limits: ProjectLimits;
  readonly upstreamClient: Pick<RequestClient, "send" | "connectionsPerOriginMax">;
  readonly shards: Pick<OwnedShards, "has">;
  readonly jobs: Pick<JobLoader, "load" | "canPoll">;
  readonly trusts?: NonNullable<UpstreamOptions["trusts"]>;
  readonly operationalEvents: Pick<OperationalEvents, "publish">;
  readonly connectionStates: ConnectionStates;
}

/**
 * Polls jobs until they end. One pass over a job:
 *
 *   due ─▶ ask the upstream ─▶ interpret ─▶ decide ─┬─▶ keep watching: reschedule, no row written
 *               ▲                  │                ├─▶ end: record the event, hand on what it owes
 *               └─ result wanted ──┘                └─▶ suspend: pause the connection, keep the job
 *
 * A result that is a link is fetched before the ending is recorded, if a subscription wants that.
 * A result that takes a request of its own is asked for in the job's next turn in its lane, so that
 * the connection's limits hold for it too.
 */
export class Poller {
  readonly watches: WatchList;
  /** The latest answers about the jobs that clients poll through this gateway. */
  readonly observed: ObservedAnswers;
  /** The latest answers about the jobs that people look at. */
  readonly rawAnswers: RawAnswers;
  readonly #runtime: Runtime;
  readonly #options: PollerOptions;
  readonly #statusFetcher: StatusFetcher;
  readonly #recorder: EventRecorder;
  readonly #resultFetcher: ResultFetcher;
  readonly #idle = new Idle();

  constructor(runtime: Runtime, options: PollerOptions) {
    this.#runtime = runtime;
    this.#options = options;
    const { limits } = options;
    const readingTime = new ReadingTime((id) => limits.allowed(id, "reading_ms_per_second"));
    limits.measuredBy("reading_ms_per_second", (id) =>
      Math.round(readingTime.of(id).usedMs(runtime.clock.monotonic())),
    );
    this.observed = new ObservedAnswers(runtime.clock);
    this.rawAnswers = new RawAnswers(runtime.clock);
    this.#statusFetcher = new StatusFetcher(
      runtime,
      { ...options, observed: this.observed, rawAnswers: this.rawAnswers },
      readingTime,
    );
    this.#recorder = new EventRecorder(runtime, options);
    this.#resultFetcher = new ResultFetcher(runtime, options);
    this.watches = new WatchList(runtime, {
      providers: options.providers,
      secretBox: options.secretBox,
      userAgent: options.userAgent,
      ceilings: options.ceilings,
      pollsPerOriginMax: options.upstreamClient.connectionsPerOriginMax,
      readingTime,
      ...(options.trusts && { trusts: options.trusts }),
      onBreaker: (origin, projectId, breaker) => this.#logBreaker({ origin, projectId }, breaker),
      probe: (upstream) => void this.#probe(upstream),
      poll: (upstream, watch, generation) => void this.#poll(upstream, watch, generation),
      timeOut: (watch) => void this.#end(watch, timedOut(watch, this.watches.lastErrorOf(watch))),
    });
  }

  /** Asks the upstream to cancel a job; best effort, its ending is observed like any other. */
  cancelUpstream(job: UpstreamJob): Promise<void> {
    const access = this.watches.upstream(job.connectionId).accessOf(job.providerVersionId);
    return access === null
      ? Promise.resolve()
      : cancelUpstream(this.#runtime, this.#options.upstreamClient, access, job);
  }

  /** Asks about a job once, to see what its answer is read as. */
  tryLive(connectionId: string, trial: LiveTrial): Promise<LiveTrialOutcome> {
    return tryLive(
      this.#runtime,
      this.watches.upstream(connectionId),
      trial,
      this.#options.upstreamClient,
    );
  }

  /** Polls a job that was just accepted for one of this node's shards. */
  watchAccepted(job: LiveJob): void {
    // The job may have been live before, under a definition that this node has not loaded yet.
    if (this.#options.jobs.canPoll(job)) this.watches.watch(job, "at_once");
    else this.recheck(job);
  }

  /** Polls those of the jobs that are live and in this node's shards. */
  async watchLive(keys: readonly RowKey[]): Promise<void> {
    for (const job of await this.#options.jobs.load(keys)) {
      if (this.#options.shards.has(job.shardId)) this.watches.watch(job, "at_once");
    }
  }

  /** Polls a job again if the database says that it is live. The sweep covers a failed read. */
  recheck(job: RowKey): void {
    this.watchLive([job]).catch((error: unknown) => {
      this.#runtime.log.warn({ err: error }, "a job could not be read; the sweep will find it");
    });
  }

  /** Begins no more polls, and waits for polls in progress and for the rows that they write. */
  async stop(): Promise<void> {
    this.watches.close();
    this.#resultFetcher.close();
    await this.#statusFetcher.stop(this.#idle.reached());
  }

  /** One pass over a job. Never rejects. */
  async #poll(upstream: Upstream, watch: Watch, generation: number): Promise<void> {
    this.#begin(watch, "polling");
    const beganAtMs = this.#runtime.clock.monotonic();
    const { origin } = upstream;
    let polled: PollResult | null = null;
    try {
      polled = await this.#pass(upstream, watch);
    } catch (error) {
      this.#runtime.log.error({ err: error, jobId: watch.jobId }, "a pass over a job failed");
      if (watch.state === "polling") this.watches.schedule(watch, this.#refusedRetryAtMs());
    }
    const isWell = polled !== null && polled.sent !== null && isAnsweredWell(polled.interpretation);
    if (isWell) upstream.answeredWell(watch, beganAtMs);
    if (upstream.isProbing) this.#endProbe(upstream, isWell);
    upstream.lane.settle(laneVerdictOf(polled, origin), generation);
    this.#finish(watch);
  }

  /**
   * Returns what the upstream said; null when that tells its lane nothing: no answer came, or one that
   * refuses this job alone.
   */
  async #pass(upstream: Upstream, watch: Watch): Promise<PollResult | null> {
    const access = upstream.accessOf(watch.providerVersionId);
    if (access === null) {
      this.watches.park(upstream, watch);
      return null;
    }
    const polled = await this.#statusFetcher.fetch(access, watch, upstream.hasRoomForLongPoll);
    if (polled === null) {
      if (watch.state === "polling") this.watches.schedule(watch, this.#refusedRetryAtMs());
      return null;
    }
    const { longPolledMs, redirects } = polled;
    if (redirects > 0) upstream.lane.charge(redirects);
    const ownRefusal = ownRefusalOf(upstream, watch, polled.interpretation);
    const interpretation = ownRefusal ?? polled.interpretation;
    watch.httpStatus = polled.sent?.httpStatus ?? null;
    if (interpretation.kind === "result_wanted") {
      watch.outcome = "running";
      this.#askForResult(watch);
      return polled;
    }
    watch.outcome = pollOutcomeOf(interpretation);
    if (interpretation.kind === "running" && interpretation.unknownStatus !== null) {
      this.#publishUnknownStatus(upstream, watch, interpretation.unknownStatus);
    }
    if (interpretation.kind === "credential_rejected" && watch.state === "polling") {
      const { reason, isPlain } = interpretation;
      const isConfirmed = upstream.credentialRefused(watch.slot, isPlain);
      if (isConfirmed || upstream.problem !== null) {
        await this.#suspend(upstream, access, watch, reason);
        return polled;
      }
    }
    const step = decideAfterPoll({
      facts: watch,
      observation: interpretation,
      schedule: access.schedule,
      nowMs: this.#runtime.clock.now(),
      random: this.#runtime.random(),
      longPolledMs,
      minIntervalMs: access.minIntervalMs,
    });
    await this.#advance(access, watch, step);
    return ownRefusal === null ? polled : null;
  }

  /** In its own turn, which comes before those of jobs that fell due later. */
  #askForResult(watch: Watch): void {
    watch.seen = true;
    if (watch.absence?.of === "job") watch.absence = null;
    if (watch.state === "polling") this.watches.scheduleInPlace(watch);
  }

  #advance(access: UpstreamAccess, watch: Watch, step: JobStep): Promise<void> | void {
    // Its deadline passed while the answer was on its way: that ending is being recorded.
    if (watch.state === "ending") return;
    // An ending counts even if the shard has gone to another node: the result may be shown once.
    if (step.kind === "end") return this.#endOnceFetched(access, watch, step.ending);
    if (watch.state === "dropped") return;
    return this.#keepWatching(watch, step);
  }

  #keepWatching(
    watch: Watch,
    step: Extract<JobStep, { kind: "keep_watching" }>,
  ): Promise<void> | void {
    const startsProcessing = step.phase === "processing" && !watch.processingAnnounced;
    const progresses = step.progress !== null && step.progress !== watch.progress;
    watch.phase = step.phase;
    watch.progress = step.progress;
    watch.failuresInRow = step.failuresInRow;
    watch.absence = step.absence;
    watch.unreadable = step.unreadable;
    watch.seen ||= step.sawJob;
    watch.lastError = step.lastError === null ? null : clipError(step.lastError);
    const news: ProgressType[] = [];
    if (startsProcessing && wants(watch, "job.processing")) news.push("job.processing");
    if (progresses && wants(watch, "job.progress")) news.push("job.progress");
    if (news.length > 0) return this.#announce(watch, news, step.dueAtMs);
    this.#reschedule(watch, step.dueAtMs);
  }

  /** Records that a job moves before its next poll is queued, so that its events keep their order. */
  async #announce(watch: Watch, types: readonly ProgressType[], dueAtMs: number): Promise<void> {
    for (const type of types) {
      if (type === "job.processing") watch.processingAnnounced = true;
      await this.#recorder.recordProgress(watch, type);
      // Its deadline has passed since, or its shard was lost.
      if (watch.state !== "polling") return;
    }
    this.#reschedule(watch, dueAtMs);
  }

  #reschedule(watch: Watch, dueAtMs: number): void {
    this.watches.schedule(watch, watch.pollAgain ? this.#runtime.clock.now() : dueAtMs);
  }

  /** Fetching takes its time, which is not the lane's. */
  #endOnceFetched(access: UpstreamAccess, watch: Watch, ending: Ending): Promise<void> | void {
    const link = wantsResultFetched(watch)
      ? this.#resultFetcher.linkOf(access, watch, ending.result)
      : null;
    if (link === null) return this.#end(watch, ending);
    void this.#fetchAndEnd(access, watch, ending, link);
  }

  async #fetchAndEnd(
    access: UpstreamAccess,
    watch: Watch,
    ending: Ending,
    link: string,
  ): Promise<void> {
    this.#begin(watch, "ending");
    const fetch = await this.#resultFetcher.fetch(access, watch, link);
    if (fetch.kind !== "stopped") await this.#end(watch, ending, fetch);
    if (fetch.kind !== "stopped") await this.#resultFetcher.forgetOnceRecorded(watch);
    this.#finish(watch);
  }

  async #end(
    watch: Watch,
    ending: Ending,
    fetch: Exclude<FetchOutcome, { kind: "stopped" }> | null = null,
  ): Promise<void> {
    this.#begin(watch, "ending");
    const outcome = await this.#recorder.recordEnding(watch, ending, fetch);
    if (outcome === "refused") {
      watch.lastError = "The ending could not be stored; the log says why.";
      this.watches.schedule(watch, this.#refusedRetryAtMs());
    } else {
      this.watches.drop(watch);
      // Either it has ended otherwise, or its deadline is later than this node knew.
      if (outcome === "overtaken") this.recheck({ shardId: watch.shardId, id: watch.id });
    }
    this.#finish(watch);
  }

  async #suspend(
    upstream: Upstream,
    access: UpstreamAccess,
    watch: Watch,
    reason: string,
  ): Promise<void> {
    const { credentialVersion } = access;
    // A credential that came while this answer was on its way has nothing to do with it.
    const isCurrent = upstream.credentialVersion === credentialVersion;
    if (isCurrent) upstream.suspend(`The upstream refused the credential: ${reason}`);
    // After the suspension: the other way around, the job could be polled once more.
    this.watches.schedule(watch, this.#runtime.clock.now());
    if (!isCurrent) return;
    const connection = { id: upstream.connectionId, credentialVersion };
    this.#runtime.log.warn(
      { connection, reason },
      "a connection was paused: the upstream refused its credential",
    );
    try {
      await this.#options.connectionStates.pause(connection, reason);
    } catch (error) {
      this.#runtime.log.warn({ err: error, connection }, "the pause could not be recorded");
      if (upstream.problem !== null)
        upstream.restore(this.#runtime.clock.monotonic() + UNRECORDED_PAUSE_MS);
    }
  }

  /** Asks with one job whether a paused connection's credential is taken again. Never rejects. */
  async #probe(upstream: Upstream): Promise<void> {
    upstream.probeIn(PROBE_AGAIN_MS);
    const credentialVersion = upstream.storedCredentialVersion;
    if (upstream.jobs === 0 || credentialVersion === null) return;
    const connection = { id: upstream.connectionId, credentialVersion };
    try {
      if (await this.#options.connectionStates.claimProbe(connection)) upstream.beginProbe();
    } catch (error) {
      this.#runtime.log.warn({ err: error, connection }, "a paused connection could not be probed");
    }
  }

  #endProbe(upstream: Upstream, isAnsweredWell: boolean): void {
    upstream.endProbe();
    const credentialVersion = upstream.storedCredentialVersion;
    if (credentialVersion === null || !isAnsweredWell) return;
    const connection = { id: upstream.connectionId, credentialVersion };
    this.#runtime.log.info(
      { connection },
      "a paused connection is resumed: its credential is taken",
    );
    this.#options.connectionStates.resume(connection).catch((error: unknown) => {
      this.#runtime.log.warn(
        { err: error, connection },
        "the end of a pause could not be recorded",
      );
    });
  }

  #publishUnknownStatus({ projectId }: Upstream, watch: Watch, status: string): void {
    if (projectId === null) return;
    this.#options.operationalEvents.publish(unknownStatusEvent(projectId, watch, status));
  }

  /** Logs when an outage starts and ends, as one project meets it. */
  #logBreaker(where: { readonly origin: string; readonly projectId: string }, breaker: Breaker) {
    const { log } = this.#runtime;
    if (breaker.state === "closed") log.info(where, "an upstream answers again");
    if (breaker.state !== "open" || breaker.opensInRow > 1) return;
    log.warn(where, "an upstream fails; until it answers, it is only probed");
  }

  #refusedRetryAtMs(): number {
    return this.#runtime.clock.now() + REFUSED_EVENT_RETRY_MS;
  }

  /** Holds the watch: it may be dropped before this is over. */
  #begin(watch: Watch, state: "polling" | "ending"): void {
    watch.hold();
    watch.state = state;
    this.#idle.begin();
  }

  #finish(watch: Watch): void {
    watch.release();
    this.#idle.end();
  }
}

type ProgressType = Extract<EventType, "job.processing" | "job.progress">;

/** A refusal of this job alone, which backs off itself only; null for any other answer. */
function ownRefusalOf(
  upstream: Upstream,
  watch: Watch,
  interpretation: Interpretation,
): Observation | null {
  if (interpretation.kind !== "retry" || interpretation.cause !== "rate_limited") return null;
  if (!upstream.rateRefused(watch)) return null;
  const reason = `${interpretation.reason} (only this job is refused; others of its connection are answered)`;
  return { ...interpretation, cause: "unusable_answer", reason };
}

/** Whether the credential was taken, as far as the answer tells. */
function isAnsweredWell({ kind }: Interpretation): boolean {
  switch (kind) {
    case "running":
    case "completed":
    case "failed":
    case "canceled":
    case "expired":
    case "result_wanted":
      return true;
    // Some upstreams hide from a wrong credential what it may not see.
    case "absent":
    case "retry":
    case "credential_rejected":
      return false;
  }
}
