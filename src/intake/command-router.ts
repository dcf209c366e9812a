import type { RowKey } from "../store/sql/row-source.ts";
import type { DeliveryLoop } from "../delivery/delivery-loop.ts";
import type { Poller } from "../polling/poller.ts";
import type { Database } from "../store/db/database.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import { findJob, findJobsOfSubscriptions } from "../store/jobs/find-job.ts";
import { postCommands } from "../store/writes/mailbox.ts";
import type { CommandKind } from "../store/schema/schema.ts";
import type { CommandHandlers } from "./mailbox-reader.ts";
import type { Runtime } from "../runtime/runtime.ts";

interface CommandRouterOptions {
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  readonly poller: Poller;
  readonly deliveryLoop: DeliveryLoop;
}

/**
 * Tells the owner of a job's shard what the API did to it: this node by a call, another one by a
 * note in the shard's mailbox. The database already says it; this only makes it quick.
 */
export class CommandRouter {
  readonly #runtime: Runtime;
  readonly #options: CommandRouterOptions;
  /** Carries out the commands of other nodes. */
  readonly handlers: Omit<CommandHandlers, "inspect" | "observe" | "tryOrigin">;

  constructor(runtime: Runtime, options: CommandRouterOptions) {
    this.#runtime = runtime;
    this.#options = options;
    const { poller, deliveryLoop } = options;
    this.handlers = {
      watch: (jobs) => poller.watchLive(jobs),
      pollNow: (jobs) => {
        for (const job of jobs) poller.watches.pollNow(job.shardId, job.id);
        return Promise.resolve();
      },
      cancel: (subscriptions) => this.#forget(subscriptions),
      deliver: (deliveries) => deliveryLoop.deliver(deliveries),
    };
  }

  async pollNow(shardId: number, jobRowId: string): Promise<void> {
    if (this.#options.shards.has(shardId)) this.#options.poller.watches.pollNow(shardId, jobRowId);
    else await this.send("poll_now", [{ shardId, id: jobRowId }]);
  }

  /** A job's deadline was moved: its owner reads it again. */
  async extended(job: RowKey): Promise<void> {
    if (this.#options.shards.has(job.shardId)) await this.handlers.watch([job]);
    else await this.send("watch", [job]);
  }

  /** A subscription was deleted: forgets what was held for it. */
  async unsubscribed(change: {
    readonly shardId: number;
    readonly jobRowId: string;
    readonly subscriptionId: string;
    readonly cancelJob: boolean;
  }): Promise<void> {
    const { shardId, jobRowId, subscriptionId, cancelJob } = change;
    if (this.#options.shards.has(shardId)) await this.#forget([{ shardId, id: subscriptionId }]);
    else await this.send("cancel", [{ shardId, id: subscriptionId }]);
    // Best effort, and the upstream may be slow: the client's answer does not wait for it.
    if (cancelJob) void this.#cancelUpstream(shardId, jobRowId);
  }

  /** Deliveries became due out of turn. */
  async redelivered(deliveries: readonly RowKey[]): Promise<void> {
    const { shards, deliveryLoop } = this.#options;
    const { here = [], elsewhere = [] } = Object.groupBy(deliveries, ({ shardId }) =>
      shards.has(shardId) ? "here" : "elsewhere",
    );
    if (here.length > 0) await deliveryLoop.deliver(here);
    if (elsewhere.length > 0) await this.send("deliver", elsewhere);
  }

  /** Makes memory agree with rows from which a subscription was taken away. */
  async #forget(subscriptions: readonly RowKey[]): Promise<void> {
    const { database, deliveryLoop, poller } = this.#options;
    for (const { id } of subscriptions) deliveryLoop.outbox.dropSubscription(id);
    for (const job of await findJobsOfSubscriptions(database, subscriptions)) {
      if (!job.isLive) poller.watches.unwatch(job.shardId, job.id);
    }
  }

  async #cancelUpstream(shardId: number, jobRowId: string): Promise<void> {
    try {
      const { database, poller } = this.#options;
      const job = await findJob(database, shardId, jobRowId);
      if (job === null) return;
      await poller.cancelUpstream(job);
      // Other subscriptions to the job soon get its cancellation.
      await this.pollNow(shardId, jobRowId);
    } catch (error) {
      this.#runtime.log.warn({ err: error }, "a job could not be canceled at its upstream");
    }
  }

  /** Leaves commands in the mailboxes of the shards; their owners carry them out. */
  send(kind: CommandKind, subjects: readonly RowKey[]): Promise<void> {
    const { uuids, clock } = this.#runtime;
    const nowMs = clock.now();
    return postCommands(
      this.#options.database,
      subjects.map(({ shardId, id: subjectId }) => {
        return { shardId, id: uuids(nowMs, shardId), kind, subjectId };
      }),
    );
  }
}
