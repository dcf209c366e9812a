/* What `ringback/client` gives. */
export { Ringback, type RingbackOptions } from "./client.ts";
export { List, type Page } from "./list.ts";
export type {
  ApiKey,
  ApiKeyRequest,
  AuditEntry,
  CallbackOrigin,
  CallbackTest,
  CallbackTestRequest,
  Connection,
  ConnectionChange,
  Delivery,
  DeliveryWithAttempts,
  Ending,
  Job,
  JobExplanation,
  JsonWebKeySet,
  NewApiKey,
  NewConnection,
  NewSubscription,
  Project,
  ProjectChange,
  Provider,
  ProviderTrial,
  ProviderTrialRequest,
  ProviderWithDefinition,
  Redelivery,
  RedeliveryRequest,
  SigningKey,
  SigningSecret,
  Stats,
  StoredEvent,
  Subscription,
  SubscriptionBatch,
  SubscriptionRequest,
  WatchedJob,
  WatchOptions,
} from "./models.ts";
export {
  type ClientErrorCode,
  type InvalidPart,
  type Problem,
  RingbackError,
  type RingbackErrorCode,
} from "./ringback-error.ts";
export type { CallOptions, Query, Received, RequestSpec } from "./transport.ts";
export type { WaitOptions } from "./watching.ts";
