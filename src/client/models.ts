import type { z } from "zod";
import type { Subscription } from "../api/models.ts";
import type { callbackTestRequestSchema } from "../api/callback-tests/schema.ts";
import type { connectionChangeSchema, newConnectionSchema } from "../api/connections/schema.ts";
import type { consoleLinkRequestSchema } from "../api/console-links/schema.ts";
import type { deliveryFiltersSchema, redeliveryRequestSchema } from "../api/deliveries/schema.ts";
import type { eventFiltersSchema, newestEventSchema } from "../api/http/event-schemas.ts";
import type { jwksSchema } from "../api/http/response-schemas.ts";
import type {
  consumerSchema,
  inboxSchema,
  positionSchema,
  seekSchema,
} from "../api/inboxes/schema.ts";
import type { jobFiltersSchema } from "../api/jobs/schema.ts";
import type { newKeySchema, projectChangeSchema } from "../api/projects/schema.ts";
import type { trialRequestSchema } from "../api/providers/schema.ts";
import type {
  subscriptionFiltersSchema,
  subscriptionRequestSchema,
  batchResponseSchema,
  newSubscriptionSchema,
} from "../api/subscriptions/schema.ts";
import type { jobRequestSchema } from "../sandbox/jobs/job-request.ts";
import type { EndingStatus } from "../core/delivery/event.ts";
import type { JobEvent } from "../receiver/event.ts";

/* Requests to a gateway and its responses, typed by the gateway's own schemas. */

export type SubscriptionRequest = z.output<typeof subscriptionRequestSchema>;
export type NewSubscription = z.output<typeof newSubscriptionSchema>;
export type SubscriptionBatch = z.output<typeof batchResponseSchema>;
export interface StatsHistoryQuery {
  /** How far back, 1440 at most and unless given. */
  readonly minutes?: number | undefined;
  /** How many minutes a point covers, 60 at most and 15 unless given. */
  readonly step_minutes?: number | undefined;
}
export type Inbox = z.output<typeof inboxSchema>;
export type InboxConsumer = z.output<typeof consumerSchema>;
export type InboxPosition = z.output<typeof positionSchema>;
export type InboxSeek = z.input<typeof seekSchema>;
export type RedeliveryRequest = z.input<typeof redeliveryRequestSchema>;
/** The result of `events.wait`. */
export type NewestEvent = z.output<typeof newestEventSchema>;
export type NewConnection = z.input<typeof newConnectionSchema>;
export type ConnectionChange = z.input<typeof connectionChangeSchema>;
export type ConsoleLinkRequest = z.input<typeof consoleLinkRequestSchema>;
export type ProviderTrialRequest = z.input<typeof trialRequestSchema>;
export type ProjectChange = z.input<typeof projectChangeSchema>;
export type JsonWebKeySet = z.output<typeof jwksSchema>;
export type ApiKeyRequest = z.output<typeof newKeySchema>;
export type CallbackTestRequest = z.input<typeof callbackTestRequestSchema>;

/** A job of the sandbox. */
export type SandboxJob = z.input<typeof jobRequestSchema>;
export interface SubmittedSandboxJob {
  readonly job_id: string;
  readonly status: "pending";
}

/** How a job ended, as a callback tells it; `type` tells the five endings apart. */
export type Ending = JobEvent<`job.${EndingStatus}`>;

/** `callback_url` is spelled `callbackUrl`. */
type Camel<Name> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;

type CamelKeys<Fields> = {
  readonly [Name in keyof Fields as Camel<Name & string>]: Fields[Name];
};

/** A job id, a job, or what an API answered when it was submitted: `job_id`, `jobId` or `id` names it. */
export type Job =
  | string
  | { readonly job_id: string; readonly provider?: string; readonly connection?: string }
  | { readonly jobId: string }
  | { readonly id: string };

/** The fields of a subscription besides its job. */
export type WatchOptions = CamelKeys<Omit<SubscriptionRequest, "job_id">>;

/** How many items are read at once, 20 unless given. */
export interface Paging {
  readonly limit?: number | undefined;
}

/** Filters of lists; times are ISO 8601. */
type FiltersOf<Schema extends z.ZodType> = Readonly<Omit<z.input<Schema>, "limit" | "cursor">> &
  Paging;

export type SubscriptionFilters = Omit<FiltersOf<typeof subscriptionFiltersSchema>, "status"> & {
  /** Any of these. */
  readonly status?: Subscription["status"] | readonly Subscription["status"][] | undefined;
};
export type DeliveryFilters = FiltersOf<typeof deliveryFiltersSchema>;
export type JobFilters = FiltersOf<typeof jobFiltersSchema>;
export type EventFilters = FiltersOf<typeof eventFiltersSchema>;
