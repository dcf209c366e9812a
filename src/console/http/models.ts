import type { z } from "zod";
import type { callbackOriginSchema } from "../../api/callback-origins/schema.ts";
import type { callbackTestSchema } from "../../api/callback-tests/schema.ts";
import type { consoleLinkSchema, newConsoleLinkSchema } from "../../api/console-links/schema.ts";
import type { connectionLoadsSchema, connectionSchema } from "../../api/connections/schema.ts";
import type { redeliverySchema } from "../../api/deliveries/schema.ts";
import type {
  deliverySchema,
  deliveryWithAttemptsSchema,
  eventSchema,
  newApiKeySchema,
  signingKeySchema,
  signingSecretSchema,
} from "../../api/http/response-schemas.ts";
import type { subscriptionSchema } from "../../api/subscriptions/schema.ts";
import type { resultPartSchema } from "../../api/http/event-schemas.ts";
import type { messagesSchema } from "../../api/inboxes/schema.ts";
import type { jobExplanationSchema, jobSchema } from "../../api/jobs/schema.ts";
import type {
  auditEntrySchema,
  operationalEventSchema,
  projectSchema,
} from "../../api/projects/schema.ts";
import type {
  providerSchema,
  providerTrialSchema,
  providerVersionSchema,
  providerVersionWithDefinitionSchema,
  providerWithDefinitionSchema,
} from "../../api/providers/schema.ts";
import type { nodesSchema, statsHistorySchema, statsSchema } from "../../api/stats/schema.ts";

/* The API's responses, typed by its own schemas. */

export type Job = z.output<typeof jobSchema>;
export type JobExplanation = z.output<typeof jobExplanationSchema>;
export type ExplainedSubscription = JobExplanation["subscriptions"][number];
export type Subscription = z.output<typeof subscriptionSchema>;
export type Delivery = z.output<typeof deliveryWithAttemptsSchema>;
export type Attempt = Delivery["attempts"][number];
export type StoredEvent = z.output<typeof eventSchema>;
export type ResultPart = z.output<typeof resultPartSchema>;
export type ListedDelivery = z.output<typeof deliverySchema>;
export type Redelivery = z.output<typeof redeliverySchema>;
export type CallbackOrigin = z.output<typeof callbackOriginSchema>;
export type CallbackTest = z.output<typeof callbackTestSchema>;
export type Connection = z.output<typeof connectionSchema>;
export type NewConsoleLink = z.output<typeof newConsoleLinkSchema>;
export type ConsoleLink = z.output<typeof consoleLinkSchema>;
export type ConnectionLoads = z.output<typeof connectionLoadsSchema>;
export type LoadOfConnection = ConnectionLoads["data"][number];
export type NewApiKey = z.output<typeof newApiKeySchema>;
export type ApiKey = Omit<NewApiKey, "key">;
export type SigningSecret = z.output<typeof signingSecretSchema>;
export type SigningKey = z.output<typeof signingKeySchema>;
export type Provider = z.output<typeof providerSchema>;
export type ProviderWithDefinition = z.output<typeof providerWithDefinitionSchema>;
export type ProviderVersion = z.output<typeof providerVersionSchema>;
export type ProviderVersionWithDefinition = z.output<typeof providerVersionWithDefinitionSchema>;
export type ProviderTrial = z.output<typeof providerTrialSchema>;
export type AuditEntry = z.output<typeof auditEntrySchema>;
export type OperationalEvent = z.output<typeof operationalEventSchema>;
export type Project = z.output<typeof projectSchema>;
export type InboxMessages = z.output<typeof messagesSchema>;
export type Stats = z.output<typeof statsSchema>;
export type StatsHistory = z.output<typeof statsHistorySchema>;
export type GatewayNode = z.output<typeof nodesSchema>["data"][number];

/** One page of a list. */
export interface Page<Item> {
  readonly data: readonly Item[];
  readonly next_cursor: string | null;
}
