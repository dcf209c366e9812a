import type { z } from "zod";
import type { callbackOriginSchema } from "./callback-origins/schema.ts";
import type { callbackTestSchema } from "./callback-tests/schema.ts";
import type { consoleLinkSchema, newConsoleLinkSchema } from "./console-links/schema.ts";
import type { connectionLoadsSchema, connectionSchema } from "./connections/schema.ts";
import type { redeliverySchema } from "./deliveries/schema.ts";
import type {
  deliverySchema,
  deliveryWithAttemptsSchema,
  eventSchema,
  newApiKeySchema,
  signingKeySchema,
  signingSecretSchema,
} from "./http/response-schemas.ts";
import type { subscriptionSchema } from "./subscriptions/schema.ts";
import type { resultPartSchema } from "./http/event-schemas.ts";
import type { messagesSchema } from "./inboxes/schema.ts";
import type { jobExplanationSchema, jobSchema } from "./jobs/schema.ts";
import type { auditEntrySchema, operationalEventSchema, projectSchema } from "./projects/schema.ts";
import type {
  providerSchema,
  providerTrialSchema,
  providerVersionSchema,
  providerVersionWithDefinitionSchema,
  providerWithDefinitionSchema,
} from "./providers/schema.ts";
import type { nodesSchema, statsHistorySchema, statsSchema } from "./stats/schema.ts";

/* The API's responses, typed by its own schemas, for the client and the console. */

/** A job as the API gives it. */
export type Job = z.output<typeof jobSchema>;
/** Why the callbacks of a job have not arrived. */
export type JobExplanation = z.output<typeof jobExplanationSchema>;
export type ExplainedSubscription = JobExplanation["subscriptions"][number];
export type Subscription = z.output<typeof subscriptionSchema>;
export type DeliveryWithAttempts = z.output<typeof deliveryWithAttemptsSchema>;
export type Attempt = DeliveryWithAttempts["attempts"][number];
/** An event as the API gives it. */
export type StoredEvent = z.output<typeof eventSchema>;
export type ResultPart = z.output<typeof resultPartSchema>;
export type Delivery = z.output<typeof deliverySchema>;
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
/** How many jobs, subscriptions and deliveries of each status a project has. */
export type Stats = z.output<typeof statsSchema>;
/** Endings and callbacks of a project in the last day. */
export type StatsHistory = z.output<typeof statsHistorySchema>;
/** A process of the gateway. */
export type GatewayNode = z.output<typeof nodesSchema>["data"][number];
