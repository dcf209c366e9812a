import {
  type CallOptions,
  type Ringback,
  RingbackError,
  type Subscription,
} from "../client/ringback.ts";

/** A job as a person names it. */
export interface NamedJob {
  readonly job: string;
  readonly provider?: string | undefined;
  readonly connection?: string | undefined;
}

const SUBSCRIPTION_ID = /^sub_[0-9a-f]{32}$/;

/**
 * The subscription of this id, or the newest one to the job.
 * @throws {RingbackError} `not_watched` when there is none
 */
export async function findSubscription(
  ringback: Ringback,
  { job, provider, connection }: NamedJob,
  call: CallOptions,
): Promise<Subscription> {
  if (SUBSCRIPTION_ID.test(job)) return ringback.subscriptions.get(job, call);
  const filters = { job_id: job, provider, connection, limit: 1 };
  const [found] = await ringback.subscriptions.list(filters, call).toArray(1);
  if (found !== undefined) return found;
  throw new RingbackError(`No subscription watches the job ${job}.`, { code: "not_watched" });
}
