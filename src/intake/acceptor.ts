import { subscriptionBytes } from "../store/projects/project-usage.ts";
import { createHash } from "node:crypto";
import type { Writers } from "../store/writes/writers.ts";
import { isJobKnown } from "../store/jobs/find-job.ts";
import type { DatabaseHealth } from "../store/db/database-health.ts";
import type { PooledDatabase } from "../store/db/database.ts";
import type { Poller } from "../polling/poller.ts";
import type { DeliveryLoop } from "../delivery/delivery-loop.ts";
import type { CommandRouter } from "./command-router.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { ProjectLimitName, ProjectLimits } from "../core/limits/project-limits.ts";
import { isInboxTarget } from "../core/delivery/inbox-target.ts";
import { shardOfJob } from "../core/ids/ids.ts";
import { FairSemaphore } from "../lanes/shares/fair-semaphore.ts";
import { SharedCache } from "../lanes/shares/shared-cache.ts";
import type { RequestDeadline } from "../runtime/request-deadline.ts";
import {
  findIdempotencyKey,
  shardOfIdempotencyKey,
  type UsedKey,
} from "../store/subscriptions/find-idempotency-key.ts";
import { QueueFullError } from "../store/writes/group-commit.ts";
import type { LiveJob } from "../store/jobs/load-jobs.ts";
import { callbackFieldsOfRow } from "../store/writes/callback-fields.ts";
import type { OwedDelivery } from "../store/writes/record-events.ts";
import type { SubscriptionRecord } from "../store/subscriptions/subscription-record.ts";
import { NotBegunInTimeError } from "../store/db/errors.ts";
import type { JobName, LiveJobs } from "./live-jobs.ts";
import type { ProjectUsage } from "./project-usage.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  type AcceptedRow,
  type AcceptRequest,
  type AcceptRow,
  NOTHING_SEALED,
} from "../store/writes/accept-subscriptions.ts";

/**
 * Subscriptions of all projects that are being stored, a few batches: what waits behind them is what
 * projects take turns for.
 */
const ACCEPTING_MAX = 3_000;
/** Large batches are split into as many. */
const WAITING_PER_PROJECT_MAX = 20_000;

export interface AcceptorOptions {
  readonly health: Pick<DatabaseHealth, "requireWritable">;
  readonly shards: Pick<OwnedShards, "has">;
  readonly writers: Pick<Writers, "accept">;
  readonly liveJobs: LiveJobs;
  readonly limits: ProjectLimits;
  readonly usage: Pick<ProjectUsage, "reached" | "accepted">;
  readonly lookups: AcceptLookups;
  readonly poller: Pick<Poller, "watchAccepted">;
  readonly deliveryLoop: Pick<DeliveryLoop, "enqueue" | "deliver">;
  readonly commands: Pick<CommandRouter, "send">;
}

/** Rare reads that decide over requests at a limit. Tests use a double. */
interface AcceptLookups {
  /** Whether another subscription to the job makes none live: it is watched, or has ended. */
  isJobKnown(
    job: { shardId: number; connectionId: string; jobId: string; paramsDigest: string },
    deadline?: RequestDeadline,
  ): Promise<boolean>;
  findUsedKey(
    key: { shardId: number; projectId: string; key: string },
    deadline?: RequestDeadline,
  ): Promise<UsedKey | null>;
}

export function acceptLookups(database: PooledDatabase): AcceptLookups {
  return {
    isJobKnown: (job, deadline) => isJobKnown(database.within(deadline), job),
    findUsedKey: (key, deadline) => findIdempotencyKey(database.within(deadline), key),
  };
}

type Accepted = Extract<AcceptedRow, { kind: "accepted" }>;

/** The outcome of a subscription request. */
export type AcceptOutcome =
  /** The project has as many live jobs as it may; nothing was stored. */
  | { readonly kind: "too_many_live_jobs"; readonly max: number }
  | { readonly kind: "accepted"; readonly subscription: SubscriptionRecord }
  | { readonly kind: "replayed"; readonly subscriptionId: string }
  | { readonly kind: "idempotency_conflict" }
  /** The project has used up what it may; nothing was stored. */
  | { readonly kind: "limit_reached"; readonly limit: ProjectLimitName; readonly allowed: number }
  /** Too many subscriptions of the project wait to be stored; nothing was stored. */
  | { readonly kind: "too_many_at_once" }
  | { readonly kind: "overloaded" };

/** Subscriptions that are being stored at once. */
export function acceptingTurns(limits: Pick<ProjectLimits, "allowed">): FairSemaphore {
  return new FairSemaphore({
    resource: "subscriptions_accepting",
    permitsMax: ACCEPTING_MAX,
    permitsPerProjectMax: (projectId) => limits.allowed(projectId, "subscriptions_accepting"),
    waitingPerProjectMax: WAITING_PER_PROJECT_MAX,
  });
}

/**
 * Accepts subscriptions: commit first, then hand over to the node that polls the job. The hand-over is a
 * call in memory when the shard is this node's, else a note in the shard's mailbox, left in the
 * same transaction. If either gets lost, the sweep finds the job.
 */
export class Acceptor {
  readonly #runtime: Runtime;
  readonly #options: AcceptorOptions;
  readonly #turns: FairSemaphore;
  readonly #fullJobs = new FullJobs();

  constructor(runtime: Runtime, options: AcceptorOptions) {
    this.#runtime = runtime;
    this.#options = options;
    const { limits } = options;
    this.#turns = acceptingTurns(limits);
    limits.measuredBy("subscriptions_accepting", (projectId) => this.#turns.heldBy(projectId));
  }

  /**
   * Resolves once the subscription is committed, or says why it was not. Rejects at once with
   * `DatabaseAwayError` while nothing can be stored. When the deadline passes
   * it rejects with `NotBegunInTimeError`, and nothing is stored; or with `DeadlinePassedError`, and
   * it may be: if so, it is handed over all the same.
   */
  async accept(request: AcceptRequest, deadline?: RequestDeadline): Promise<AcceptOutcome> {
    const { projectId } = request;
    this.#options.health.requireWritable();
    if (!this.#turns.tryAcquire(projectId) && !(await this.#waitForTurn(projectId, deadline))) {
      this.#options.limits.refused("subscriptions_accepting");
      return { kind: "too_many_at_once" };
    }
    try {
      return await this.#acceptWithinLimits(request, deadline);
    } finally {
      this.#turns.release(projectId);
    }
  }

  /** False when too many of the project wait already. */
  async #waitForTurn(projectId: string, deadline?: RequestDeadline): Promise<boolean> {
    const patience = new AbortController();
    deadline?.onPassed(() => patience.abort());
    switch (await this.#turns.acquire(projectId, patience.signal)) {
      case "acquired":
        return true;
      case "full":
        return false;
      case "aborted":
        throw new NotBegunInTimeError("the project's turn to store subscriptions did not come");
    }
  }

  async #acceptWithinLimits(
    request: AcceptRequest,
    deadline?: RequestDeadline,
  ): Promise<AcceptOutcome> {
    const { liveJobs, limits } = this.#options;
    const { projectId } = request;
    const row = this.#rowOf(request);
    const name = nameOf(row);
    const reached = this.#limitReached(projectId, name, isInboxTarget(row.callbackUrl));
    if (reached !== null && (await this.#findUsedKey(row, deadline)) === null) {
      limits.refused(reached);
      return { kind: "limit_reached", limit: reached, allowed: limits.allowed(projectId, reached) };
    }
    const max = limits.liveJobsMax(projectId);
    const isCounted = liveJobs.begin(projectId, name, max);
    // Only who has come to the limit costs another look at the database.
    const isTooMany = !isCounted && (await this.#addsLiveJob(row, deadline));
    if (isTooMany) {
      limits.refused("live_jobs");
      return { kind: "too_many_live_jobs", max };
    }
    try {
      return await this.#store(row, deadline);
    } finally {
      if (isCounted) liveJobs.settle(projectId, name);
    }
  }

  #limitReached(projectId: string, name: JobName, isForInbox: boolean): ProjectLimitName | null {
    if (this.#fullJobs.has(name, this.#runtime.clock.monotonic())) return "subscriptions_per_job";
    return this.#options.usage.reached(projectId, isForInbox);
  }

  #countAccepted(row: AcceptRow, { subscriptionCount }: Accepted): void {
    const { clock } = this.#runtime;
    const { limits, usage } = this.#options;
    usage.accepted(row.projectId, subscriptionBytes(row));
    if (subscriptionCount < limits.allowed(row.projectId, "subscriptions_per_job")) return;
    this.#fullJobs.add(row.projectId, nameOf(row), clock.monotonic());
  }

  async #store(row: AcceptRow, deadline?: RequestDeadline): Promise<AcceptOutcome> {
    const request = deadline && {
      deadline,
      late: (accepted: AcceptedRow): void => {
        if (accepted.kind === "accepted") this.#handOver(row, accepted);
      },
    };
    try {
      const accepted = await this.#options.writers.accept(row, request);
      if (accepted.kind === "accepted") return this.#handOver(row, accepted);
    } catch (error) {
      if (error instanceof QueueFullError) return { kind: "overloaded" };
      throw error;
    }
    return this.#replay(row, deadline);
  }

  #rowOf(request: AcceptRequest): AcceptRow {
    const { clock, uuids } = this.#runtime;
    const { shards } = this.#options;
    const nowMs = clock.now();
    const shardId = shardOfJob(request.connectionId, request.jobId);
    const paramsText = canonicalJson(request.params);
    const { idempotencyKey } = request;
    const subscriptionId = uuids(nowMs, shardId);
    return {
      ...request,
      ...(request.sealFor?.(subscriptionId) ?? NOTHING_SEALED),
      shardId,
      subscriptionId,
      jobRowId: uuids(nowMs, shardId),
      paramsText,
      paramsDigest:
        paramsText === "{}" ? "" : createHash("sha256").update(paramsText).digest("base64url"),
      idempotencyShardId:
        idempotencyKey === null ? 0 : shardOfIdempotencyKey(request.projectId, idempotencyKey),
      nowMs,
      mailId: shards.has(shardId) ? null : uuids(nowMs, shardId),
    };
  }

  /** False for a repeated request, and for a job that is live or over already. */
  async #addsLiveJob(row: AcceptRow, deadline?: RequestDeadline): Promise<boolean> {
    if ((await this.#findUsedKey(row, deadline)) !== null) return false;
    return !(await this.#options.lookups.isJobKnown(row, deadline));
  }

  async #findUsedKey(row: AcceptRow, deadline?: RequestDeadline): Promise<UsedKey | null> {
    const { idempotencyKey: key, idempotencyShardId: shardId, projectId } = row;
    return key === null
      ? null
      : this.#options.lookups.findUsedKey({ shardId, projectId, key }, deadline);
  }

  #handOver(row: AcceptRow, accepted: Accepted): AcceptOutcome {
    const { subscription } = accepted;
    const { shardId } = row;
    this.#countAccepted(row, accepted);
    const isNew = subscription.jobRowId === row.jobRowId;
    if (isNew && !this.#options.shards.has(shardId)) this.#options.liveJobs.handOver(row.projectId);
    if (row.mailId === null) {
      // The shard may have gone to another node while the row was being stored.
      if (!this.#options.shards.has(shardId))
        this.#inBackground(this.#sendToNewOwner(row, accepted));
      else if (accepted.owedDeliveryId !== null) this.#deliver(row, accepted);
      else if (subscription.job.endedAtMs === null) {
        this.#options.poller.watchAccepted(liveJob(row, accepted));
      }
    }
    return { kind: "accepted", subscription };
  }

  /** The job had ended: its event goes to the subscription at once, from memory unless it is large. */
  #deliver(row: AcceptRow, accepted: Accepted): void {
    const { owedDeliveryId: id, owedEvent: event } = accepted;
    if (id === null) return;
    if (event === null) {
      this.#inBackground(this.#options.deliveryLoop.deliver([{ shardId: row.shardId, id }]));
    } else {
      this.#options.deliveryLoop.enqueue(
        [owedDelivery(row, id, event.id)],
        event,
        event.resultBytes,
      );
    }
  }

  #sendToNewOwner(row: AcceptRow, accepted: Accepted): Promise<void> {
    const { shardId } = row;
    const { owedDeliveryId, subscription } = accepted;
    return owedDeliveryId === null
      ? this.#options.commands.send("watch", [{ shardId, id: subscription.jobRowId }])
      : this.#options.commands.send("deliver", [{ shardId, id: owedDeliveryId }]);
  }

  /** Committed already: the client's answer does not wait for it, and the sweep makes up for it. */
  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#runtime.log.warn({ err: error }, "a hand-over failed; the sweep will find the job");
    });
  }

  async #replay(row: AcceptRow, deadline?: RequestDeadline): Promise<AcceptOutcome> {
    const used = await this.#findUsedKey(row, deadline);
    if (used === null) throw new Error("A subscription was neither stored nor a repetition.");
    return [row.requestHash, ...row.olderRequestHashes].includes(used.requestHash)
      ? { kind: "replayed", subscriptionId: used.subscriptionId }
      : { kind: "idempotency_conflict" };
  }
}

function liveJob(row: AcceptRow, accepted: Accepted): LiveJob {
  const { job, jobRowId } = accepted.subscription;
  return {
    id: jobRowId,
    shardId: row.shardId,
    projectId: row.projectId,
    connectionId: row.connectionId,
    provider: row.provider,
    providerVersionId: accepted.providerVersionId,
    jobId: row.jobId,
    params: row.paramsText,
    status: job.status === "processing" ? "processing" : "pending",
    acceptedAtMs: job.acceptedAtMs,
    deadlineAtMs: job.deadlineAtMs,
    wantedEvents: accepted.wantedEvents,
    processingAnnounced: accepted.processingAnnounced,
    seen: false,
    pollCount: job.pollCount,
    lastPolledAtMs: job.lastPolledAtMs,
    lastError: job.lastError,
    progress: job.progress,
  };
}

/** As the row was stored. */
function owedDelivery(row: AcceptRow, id: string, eventId: string): OwedDelivery {
  return {
    id,
    shardId: row.shardId,
    projectId: row.projectId,
    subscriptionId: row.subscriptionId,
    eventId,
    callbackOrigin: row.callbackOrigin,
    ...callbackFieldsOfRow(row),
    attemptCount: 0,
    attemptsBefore: 0,
    nextAttemptAtMs: row.nowMs,
  };
}

function nameOf({ connectionId, jobId, paramsDigest }: AcceptRow): JobName {
  return `${connectionId}\n${jobId}\n${paramsDigest}`;
}

/** The same params in another order are the same job. */
function canonicalJson(params: Readonly<Record<string, string>>): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
}

/** One subscription is stored after this time, which tells how many the job has now. */
const FULL_FOR_MS = 5_000;
const JOBS_MAX = 10_000;

/** Remembers the jobs that have as many subscriptions as they may, so that no more are stored. */
class FullJobs {
  /** Until when, on the monotonic clock. When there are too many, the project with the most loses its oldest. */
  readonly #until = new SharedCache<number>(JOBS_MAX);

  has(name: JobName, nowMs: number): boolean {
    if (this.#until.size === 0) return false;
    const until = this.#until.get(name);
    if (until === undefined) return false;
    if (until > nowMs) return true;
    this.#until.delete(name);
    return false;
  }

  add(projectId: string, name: JobName, nowMs: number): void {
    this.#until.set(projectId, name, nowMs + FULL_FOR_MS);
  }
}
