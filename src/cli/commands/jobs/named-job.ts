import type { Command } from "commander";
import type { CallOptions, Ringback, Subscription } from "../../../client/ringback.ts";
import { RingbackError } from "../../../client/ringback.ts";
import { type GatewayFlags, withGateway } from "../../frame/gateway.ts";

/** A provider's job id alone may stand for several jobs. */
export interface NamedJobFlags extends GatewayFlags {
  readonly provider?: string;
  readonly connection?: string;
}

/** A command about a job that a person names, with the options that tell it from others of its id. */
export function withNamedJob(command: Command): Command {
  return withGateway(command)
    .option("--provider <name>", "where several providers have such a job")
    .option("--connection <name>", "where several connections have such a job");
}

const SUBSCRIPTION_ID = /^sub_[0-9a-f]{32}$/;

/**
 * The subscription of this id, or the newest one to the job.
 * @throws {RingbackError} `not_watched` when there is none
 */
export async function findSubscription(
  ringback: Ringback,
  { job, provider, connection }: NamedJobFlags & { readonly job: string },
  call: CallOptions,
): Promise<Subscription> {
  if (SUBSCRIPTION_ID.test(job)) return ringback.subscriptions.get(job, call);
  const filters = { job_id: job, provider, connection, limit: 1 };
  const [found] = await ringback.subscriptions.list(filters, call).toArray(1);
  if (found !== undefined) return found;
  throw new RingbackError(`No subscription watches the job ${job}.`, { code: "not_watched" });
}
