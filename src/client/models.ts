import type { z } from "zod";
import type {
  callbackTestRequestSchema,
  callbackTestSchema,
} from "../api/callback-tests/schema.ts";
import type { callbackOriginSchema } from "../api/callback-origins/schema.ts";
import type {
  connectionChangeSchema,
  connectionSchema,
  newConnectionSchema,
  connectionLoadsSchema,
} from "../api/connections/schema.ts";
import type {
  consoleLinkRequestSchema,
  consoleLinkSchema,
  newConsoleLinkSchema,
} from "../api/console-links/schema.ts";
import type {
  deliveryFiltersSchema,
  redeliveryRequestSchema,
  redeliverySchema,
} from "../api/deliveries/schema.ts";
import type {
  eventFiltersSchema,
  newestEventSchema,
  resultPartSchema,
} from "../api/http/event-schemas.ts";
import type {
  deliverySchema,
  deliveryWithAttemptsSchema,
  eventSchema,
  jwksSchema,
  newApiKeySchema,
  signingKeySchema,
  signingSecretSchema,
} from "../api/http/response-schemas.ts";
import type {
  consumerSchema,
  inboxSchema,
  messagesSchema,
  positionSchema,
  seekSchema,
} from "../api/inboxes/schema.ts";
import type { jobExplanationSchema, jobFiltersSchema, jobSchema } from "../api/jobs/schema.ts";
import type {
  auditEntrySchema,
  newKeySchema,
  projectChangeSchema,
  projectSchema,
  operationalEventSchema,
} from "../api/projects/schema.ts";
import type {
  providerSchema,
  providerTrialSchema,
  providerVersionSchema,
  providerVersionWithDefinitionSchema,
  providerWithDefinitionSchema,
  trialRequestSchema,
} from "../api/providers/schema.ts";
import type { nodesSchema, statsHistorySchema, statsSchema } from "../api/stats/schema.ts";
import type {
  subscriptionFiltersSchema,
  subscriptionRequestSchema,
  batchResponseSchema,
  newSubscriptionSchema,
  subscriptionSchema,
} from "../api/subscriptions/schema.ts";
import type { jobRequestSchema } from "../sandbox/jobs/job-request.ts";
import type { EndingStatus } from "../core/delivery/event.ts";
import type { JobEvent } from "../receiver/event.ts";

/* Requests to a gateway and its responses, typed by the gateway's own schemas. */

export type SubscriptionRequest = z.output<typeof subscriptionRequestSchema>;
export type Subscription = z.output<typeof subscriptionSchema>;
export type NewSubscription = z.output<typeof newSubscriptionSchema>;
export type SubscriptionBatch = z.output<typeof batchResponseSchema>;
/** A job as the API gives it. */
export type WatchedJob = z.output<typeof jobSchema>;
/** Why the callbacks of a job have not arrived. */
export type JobExplanation = z.output<typeof jobExplanationSchema>;
/** How many jobs, subscriptions and deliveries of each status a project has. */
export type Stats = z.output<typeof statsSchema>;
/** Endings and callbacks of a project in the last day. */
export type StatsHistory = z.output<typeof statsHistorySchema>;
export interface StatsHistoryQuery {
  /** How far back, 1440 at most and unless given. */
  readonly minutes?: number | undefined;
  /** How many minutes a point covers, 60 at most and 15 unless given. */
  readonly step_minutes?: number | undefined;
}
/** A process of the gateway. */
export type GatewayNode = z.output<typeof nodesSchema>["data"][number];
export type Inbox = z.output<typeof inboxSchema>;
export type InboxConsumer = z.output<typeof consumerSchema>;
export type InboxMessages = z.output<typeof messagesSchema>;
export type InboxPosition = z.output<typeof positionSchema>;
export type InboxSeek = z.input<typeof seekSchema>;
export type CallbackOrigin = z.output<typeof callbackOriginSchema>;
export type Delivery = z.output<typeof deliverySchema>;
export type DeliveryWithAttempts = z.output<typeof deliveryWithAttemptsSchema>;
export type RedeliveryRequest = z.input<typeof redeliveryRequestSchema>;
export type Redelivery = z.output<typeof redeliverySchema>;
/** An event as the API gives it. */
export type StoredEvent = z.output<typeof eventSchema>;
/** The result of `events.wait`. */
export type NewestEvent = z.output<typeof newestEventSchema>;
export type NewConnection = z.input<typeof newConnectionSchema>;
export type ConnectionChange = z.input<typeof connectionChangeSchema>;
export type Connection = z.output<typeof connectionSchema>;
export type ConsoleLinkRequest = z.input<typeof consoleLinkRequestSchema>;
export type NewConsoleLink = z.output<typeof newConsoleLinkSchema>;
export type ConsoleLink = z.output<typeof consoleLinkSchema>;
export type Provider = z.output<typeof providerSchema>;
export type ProviderVersion = z.output<typeof providerVersionSchema>;
export type ProviderVersionWithDefinition = z.output<typeof providerVersionWithDefinitionSchema>;
export type ProviderWithDefinition = z.output<typeof providerWithDefinitionSchema>;
export type ProviderTrialRequest = z.input<typeof trialRequestSchema>;
export type ProviderTrial = z.output<typeof providerTrialSchema>;
export type Project = z.output<typeof projectSchema>;
export type ProjectChange = z.input<typeof projectChangeSchema>;
export type SigningSecret = z.output<typeof signingSecretSchema>;
export type SigningKey = z.output<typeof signingKeySchema>;
export type JsonWebKeySet = z.output<typeof jwksSchema>;
export type NewApiKey = z.output<typeof newApiKeySchema>;
export type ApiKey = Omit<NewApiKey, "key">;
export type ApiKeyRequest = z.output<typeof newKeySchema>;
export type ConnectionLoads = z.output<typeof connectionLoadsSchema>;
export type ResultPart = z.output<typeof resultPartSchema>;
export type OperationalEvent = z.output<typeof operationalEventSchema>;
export type AuditEntry = z.output<typeof auditEntrySchema>;
export type CallbackTestRequest = z.input<typeof callbackTestRequestSchema>;
export type CallbackTest = z.output<typeof callbackTestSchema>;

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
