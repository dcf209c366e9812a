import type { JobReference, WatchedJob } from "../store/jobs/find-job.ts";
import type { LiveJob } from "../store/jobs/load-jobs.ts";
import type { Mail } from "../store/writes/mailbox.ts";
import type { MailKind } from "../store/schema/schema.ts";
import type { MailHandlers, RowKey } from "./mail-reader.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface HandOverPorts {
  readonly owns: (shardId: number) => boolean;
  readonly post: (mail: readonly Mail[]) => Promise<void>;
  /** Those of the jobs that are live. */
  readonly loadJobs: (keys: readonly RowKey[]) => Promise<readonly LiveJob[]>;
  readonly findJob: (shardId: number, id: string) => Promise<JobReference | null>;
  /** The jobs of subscriptions that were deleted, and whether anybody still waits for them. */
  readonly findJobsOf: (subscriptions: readonly RowKey[]) => Promise<readonly WatchedJob[]>;
  readonly cancelUpstream: (job: JobReference) => Promise<void>;
  /** The jobs this node polls. */
  readonly watches: {
    watch(job: LiveJob, firstPoll: "at_once"): void;
    pollNow(shardId: number, id: string): void;
    unwatch(shardId: number, id: string): void;
  };
  /** The deliveries this node sends. */
  readonly deliveries: {
    deliver(keys: readonly RowKey[]): Promise<void>;
    dropSubscription(subscriptionId: string): void;
  };
}

/**
 * Tells whoever owns a job's shard what the API did to it: this node by a call, another one by a
 * note in the shard's mailbox. The database already says it; this only makes it quick.
 */
export class HandOver {
  readonly #runtime: Runtime;
  readonly #ports: HandOverPorts;
  /** What the notes of other nodes do here. */
  readonly handlers: MailHandlers;

  constructor(runtime: Runtime, ports: HandOverPorts) {
    this.#runtime = runtime;
    this.#ports = ports;
    this.handlers = {
      watch: (jobs) => this.#watch(jobs),
      pollNow: (jobs) => {
        for (const job of jobs) ports.watches.pollNow(job.shardId, job.id);
        return Promise.resolve();
      },
      cancel: (subscriptions) => this.#forget(subscriptions),
      deliver: (deliveries) => ports.deliveries.deliver(deliveries),
    };
  }

  async pollNow(shardId: number, jobRowId: string): Promise<void> {
    if (this.#ports.owns(shardId)) this.#ports.watches.pollNow(shardId, jobRowId);
    else await this.#post("poll_now", [{ shardId, id: jobRowId }]);
  }

  /** A subscription was deleted: forgets what was held for it. */
  async unsubscribed(change: {
    readonly shardId: number;
    readonly jobRowId: string;
    readonly subscriptionId: string;
    readonly cancelJob: boolean;
  }): Promise<void> {
    const { shardId, jobRowId, subscriptionId, cancelJob } = change;
    if (this.#ports.owns(shardId)) await this.#forget([{ shardId, id: subscriptionId }]);
    else await this.#post("cancel", [{ shardId, id: subscriptionId }]);
    // Best effort, and the upstream may be slow: the client's answer does not wait for it.
    if (cancelJob) void this.#cancelUpstream(shardId, jobRowId);
  }

  /** Watches a job if it is live; for one of which this node may know less than the database. */
  look(job: RowKey): void {
    this.#watch([job]).catch((error: unknown) => {
      this.#runtime.log.warn({ err: error }, "a job could not be read; the sweep will find it");
    });
  }

  /** Deliveries became due out of turn. */
  async redelivered(deliveries: readonly RowKey[]): Promise<void> {
    const { owns, deliveries: mine } = this.#ports;
    const { here = [], elsewhere = [] } = Object.groupBy(deliveries, ({ shardId }) =>
      owns(shardId) ? "here" : "elsewhere",
    );
    if (here.length > 0) await mine.deliver(here);
    if (elsewhere.length > 0) await this.#post("deliver", elsewhere);
  }

  async #watch(keys: readonly RowKey[]): Promise<void> {
    for (const job of await this.#ports.loadJobs(keys)) {
      if (this.#ports.owns(job.shardId)) this.#ports.watches.watch(job, "at_once");
    }
  }

  /** Makes memory agree with rows from which a subscription was taken away. */
  async #forget(subscriptions: readonly RowKey[]): Promise<void> {
    const { watches, deliveries, findJobsOf } = this.#ports;
    for (const { id } of subscriptions) deliveries.dropSubscription(id);
    for (const job of await findJobsOf(subscriptions)) {
      if (!job.isLive) watches.unwatch(job.shardId, job.id);
    }
  }

  async #cancelUpstream(shardId: number, jobRowId: string): Promise<void> {
    try {
      const job = await this.#ports.findJob(shardId, jobRowId);
      if (job === null) return;
      await this.#ports.cancelUpstream(job);
      // Whoever else waits for the job hears soon that it was canceled.
      await this.pollNow(shardId, jobRowId);
    } catch (error) {
      this.#runtime.log.warn({ err: error }, "a job could not be canceled at its upstream");
    }
  }

  #post(kind: MailKind, subjects: readonly RowKey[]): Promise<void> {
    const { uuids, clock } = this.#runtime;
    const { post } = this.#ports;
    const nowMs = clock.now();
    return post(
      subjects.map(({ shardId, id: subjectId }) => {
        return { shardId, id: uuids(nowMs, shardId), kind, subjectId };
      }),
    );
  }
}
