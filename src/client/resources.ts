import { List, type Page } from "./list.ts";
import type {
  ApiKey,
  CallbackOrigin,
  Connection,
  ConnectionLoads,
  ConsoleLink,
  NewConsoleLink,
  Delivery,
  DeliveryWithAttempts,
  JobExplanation,
  NewApiKey,
  Provider,
  ProviderTrial,
  ProviderVersion,
  ProviderVersionWithDefinition,
  ProviderWithDefinition,
  Redelivery,
  ResultPart,
  SigningKey,
  SigningSecret,
  StoredEvent,
  Subscription,
  Job as WatchedJob,
} from "../api/models.ts";
import type {
  ApiKeyRequest,
  ConnectionChange,
  ConsoleLinkRequest,
  DeliveryFilters,
  EventFilters,
  JobFilters,
  JsonWebKeySet,
  NewestEvent,
  NewConnection,
  NewSubscription,
  Paging,
  ProviderTrialRequest,
  RedeliveryRequest,
  SandboxJob,
  SubscriptionFilters,
  SubscriptionBatch,
  SubscriptionRequest,
  SubmittedSandboxJob,
} from "./models.ts";
import {
  ANSWER_MARGIN_MS,
  type CallOptions,
  path,
  type Query,
  type Received,
  type RequestSpec,
  type Transport,
} from "./transport.ts";

/* The resources of the API. A call that may be carried out twice says so: it is repeated when its answer is lost. */

/** Whose keys; the project `default` unless given. */
interface ProjectFilter {
  /** An id or a name. */
  readonly project?: string | undefined;
}

/** Whether it is a list of the gateway, and not JSON of another program. */
function isPage(answer: Partial<Page<unknown>> | null): boolean {
  return Array.isArray(answer?.data);
}

/** A part of the API, and how it asks. */
export abstract class Resource {
  protected readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  protected json<T>(spec: RequestSpec, options?: CallOptions): Promise<T> {
    return this.transport.json<T>(spec, options);
  }

  protected listOf<T>(at: string, filters: Query = {}, options?: CallOptions): List<T> {
    return new List<T>((cursor) =>
      this.transport.json<Page<T>>(
        { method: "GET", path: at, query: { ...filters, cursor } },
        options,
        isPage,
      ),
    );
  }
}

/** Options of many subscriptions at once. */
export interface BatchOptions extends CallOptions {
  /** One for each subscription, in the same order. */
  readonly idempotencyKeys?: readonly string[] | undefined;
  readonly dryRun?: boolean | undefined;
}

const EVENT_WAIT_S = 30;

export class Subscriptions extends Resource {
  /** Subscribes to a job; answered once it is stored for good. */
  create(request: SubscriptionRequest, options?: CallOptions): Promise<NewSubscription> {
    return this.json(
      { method: "POST", path: "/v1/subscriptions", body: request, isRepeatable: true },
      options,
    );
  }

  /**
   * Up to 1000 at once; one that is refused fails none of the others.
   * @param options `idempotencyKeys` gives each its own key; `dryRun` checks them, and stores none
   */
  createMany(
    subscriptions: readonly SubscriptionRequest[],
    { idempotencyKeys, dryRun, ...options }: BatchOptions = {},
  ): Promise<SubscriptionBatch> {
    const body = { subscriptions, idempotency_keys: idempotencyKeys, dry_run: dryRun };
    return this.json(
      { method: "POST", path: "/v1/subscriptions/batch", body, isRepeatable: true },
      options,
    );
  }

  /** Newest first. */
  list(filters?: SubscriptionFilters, options?: CallOptions): List<Subscription> {
    return this.listOf("/v1/subscriptions", { ...filters }, options);
  }

  get(id: string, options?: CallOptions): Promise<Subscription> {
    return this.json({ method: "GET", path: path`/v1/subscriptions/${id}` }, options);
  }

  /** No further callbacks are sent. With `cancelJob`, the upstream is asked to cancel the job, too. */
  delete(
    id: string,
    { cancelJob, ...options }: CallOptions & { readonly cancelJob?: boolean } = {},
  ): Promise<void> {
    const query = { cancel_job: cancelJob };
    return this.json({ method: "DELETE", path: path`/v1/subscriptions/${id}`, query }, options);
  }

  /** Polls the job as soon as its connection's limits allow. */
  poll(id: string, options?: CallOptions): Promise<Subscription> {
    return this.json(
      { method: "POST", path: path`/v1/subscriptions/${id}/poll`, isRepeatable: true },
      options,
    );
  }

  /** Newest first. */
  deliveries(id: string, paging?: Paging, options?: CallOptions): List<Delivery> {
    return this.listOf(path`/v1/subscriptions/${id}/deliveries`, { ...paging }, options);
  }
}

export class Jobs extends Resource {
  /** Newest first; `job_id` finds one by the id that the provider gave it. */
  list(filters?: JobFilters, options?: CallOptions): List<WatchedJob> {
    return this.listOf("/v1/jobs", { ...filters }, options);
  }

  /** @param id `job_…`, the gateway's own */
  get(id: string, options?: CallOptions): Promise<WatchedJob> {
    return this.json({ method: "GET", path: path`/v1/jobs/${id}` }, options);
  }

  /**
   * Gives a job that still runs more time.
   * @param deadlineS seconds from now; a deadline that is later is kept
   */
  extend(id: string, deadlineS: number, options?: CallOptions): Promise<WatchedJob> {
    const spec = { path: path`/v1/jobs/${id}/extend`, body: { deadline_s: deadlineS } };
    return this.json({ method: "POST", ...spec, isRepeatable: true }, options);
  }

  /**
   * Why a callback has not arrived.
   * @param job `job_…`, or what its provider calls it
   */
  explain(
    job:
      | string
      | { readonly job_id: string; readonly provider?: string; readonly connection?: string },
    options?: CallOptions,
  ): Promise<JobExplanation> {
    const spec: RequestSpec =
      typeof job === "string"
        ? { method: "GET", path: path`/v1/jobs/${job}/explain` }
        : { method: "GET", path: "/v1/jobs/explain", query: job };
    return this.json(spec, options);
  }
}

export class ConsoleLinks extends Resource {
  /** Lists each link's scope and expiry, without its URL. */
  list(options?: CallOptions): List<ConsoleLink> {
    return this.listOf("/v1/console-links", {}, options);
  }

  /** A link to the console, for somebody without an API key. */
  create(request: ConsoleLinkRequest = {}, options?: CallOptions): Promise<NewConsoleLink> {
    const spec = { path: "/v1/console-links", body: request, isRepeatable: true };
    return this.json({ method: "POST", ...spec }, options);
  }

  /** Ends one link, at once. */
  revoke(id: string, options?: CallOptions): Promise<void> {
    return this.json({ method: "DELETE", path: path`/v1/console-links/${id}` }, options);
  }

  /** Ends every link that was made until now. */
  revokeAll(options?: CallOptions): Promise<void> {
    return this.json({ method: "DELETE", path: "/v1/console-links" }, options);
  }
}

export class Deliveries extends Resource {
  list(filters?: DeliveryFilters, options?: CallOptions): List<Delivery> {
    return this.listOf("/v1/deliveries", { ...filters }, options);
  }

  get(id: string, options?: CallOptions): Promise<DeliveryWithAttempts> {
    return this.json({ method: "GET", path: path`/v1/deliveries/${id}` }, options);
  }

  /** Sends the callback again, with the same `webhook-id`. */
  redeliver(id: string, options?: CallOptions): Promise<Delivery> {
    return this.json(
      { method: "POST", path: path`/v1/deliveries/${id}/redeliver`, isRepeatable: true },
      options,
    );
  }
}

export class Redeliveries extends Resource {
  /** Sends all matching deliveries again, in the background. */
  create(request: RedeliveryRequest, options?: CallOptions): Promise<Redelivery> {
    return this.json(
      { method: "POST", path: "/v1/redeliveries", body: request, isRepeatable: true },
      options,
    );
  }

  list(paging?: Paging, options?: CallOptions): List<Redelivery> {
    return this.listOf("/v1/redeliveries", { ...paging }, options);
  }

  get(id: string, options?: CallOptions): Promise<Redelivery> {
    return this.json({ method: "GET", path: path`/v1/redeliveries/${id}` }, options);
  }

  cancel(id: string, options?: CallOptions): Promise<void> {
    return this.json({ method: "DELETE", path: path`/v1/redeliveries/${id}` }, options);
  }
}

export class Events extends Resource {
  /** Newest first. */
  list(filters?: EventFilters, options?: CallOptions): List<StoredEvent> {
    return this.listOf("/v1/events", { ...filters }, options);
  }

  get(id: string, options?: CallOptions): Promise<StoredEvent> {
    return this.json({ method: "GET", path: path`/v1/events/${id}` }, options);
  }

  /**
   * Waits for an event that is newer than this one, or than the newest one now; null when there was none in time.
   * List the events then.
   */
  async wait(
    query: { readonly after?: string; readonly timeout_s?: number } = {},
    options?: CallOptions,
  ): Promise<NewestEvent | null> {
    const { timeout_s = EVENT_WAIT_S } = query;
    const spec = {
      method: "GET",
      path: "/v1/events/wait",
      query: { ...query, timeout_s },
      timeoutMs: timeout_s * 1000 + ANSWER_MARGIN_MS,
    } as const;
    const { status, text } = await this.transport.send(spec, options);
    return status === 204 ? null : (JSON.parse(text) as NewestEvent);
  }

  /** One part of a result as text, from 1 on; see `has_more`. */
  resultPart(id: string, number: number, options?: CallOptions): Promise<ResultPart> {
    const spec = { path: path`/v1/events/${id}/result-part`, query: { number } };
    return this.json({ method: "GET", ...spec }, options);
  }

  /** The whole result of a completed job, with its content type, digit by digit. */
  result(id: string, options?: CallOptions): Promise<Received> {
    return this.transport.send({ method: "GET", path: path`/v1/events/${id}/result` }, options);
  }
}

export class CallbackOrigins extends Resource {
  /** The origins that callbacks wait for, and why they wait. */
  list(paging?: Paging, options?: CallOptions): List<CallbackOrigin> {
    return this.listOf("/v1/callback-origins", { ...paging }, options);
  }

  /** Tries an origin now that is failing or paused; answers as it was before. */
  try(origin: string, options?: CallOptions): Promise<CallbackOrigin> {
    const spec = { path: "/v1/callback-origins/try", body: { origin }, isRepeatable: true };
    return this.json({ method: "POST", ...spec }, options);
  }
}

export class Connections extends Resource {
  /** Over all nodes. */
  loads(options?: CallOptions): Promise<ConnectionLoads> {
    return this.json({ method: "GET", path: "/v1/connection-loads" }, options);
  }

  list(paging?: Paging, options?: CallOptions): List<Connection> {
    return this.listOf("/v1/connections", { ...paging }, options);
  }

  create(request: NewConnection, options?: CallOptions): Promise<Connection> {
    return this.json(
      { method: "POST", path: "/v1/connections", body: request, isRepeatable: true },
      options,
    );
  }

  get(id: string, options?: CallOptions): Promise<Connection> {
    return this.json({ method: "GET", path: path`/v1/connections/${id}` }, options);
  }

  update(id: string, change: ConnectionChange, options?: CallOptions): Promise<Connection> {
    return this.json({ method: "PATCH", path: path`/v1/connections/${id}`, body: change }, options);
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.json({ method: "DELETE", path: path`/v1/connections/${id}` }, options);
  }
}

export class Sandbox extends Resource {
  /**
   * Submits a job to the gateway's fake job API, to be watched with `provider: "sandbox"`: for trials and tests.
   * Fails with `not_found` at a gateway that serves no sandbox.
   */
  submit(job: SandboxJob = {}, options?: CallOptions): Promise<SubmittedSandboxJob> {
    return this.json({ method: "POST", path: "/sandbox/jobs", body: job }, options);
  }
}

export class Providers extends Resource {
  list(options?: CallOptions): List<Provider> {
    return this.listOf("/v1/providers", {}, options);
  }

  get(name: string, options?: CallOptions): Promise<ProviderWithDefinition> {
    return this.json({ method: "GET", path: path`/v1/providers/${name}` }, options);
  }

  /** The newest versions of a provider of the project's own. */
  versions(name: string, options?: CallOptions): List<ProviderVersion> {
    return this.listOf(path`/v1/providers/${name}/versions`, {}, options);
  }

  /** One version of a provider of the project's own, with its definition. */
  version(
    name: string,
    version: number,
    options?: CallOptions,
  ): Promise<ProviderVersionWithDefinition> {
    const at = path`/v1/providers/${name}/versions/${String(version)}`;
    return this.json({ method: "GET", path: at }, options);
  }

  /** Creates a provider of the project's own, or a new version of it. */
  put(name: string, definition: object, options?: CallOptions): Promise<ProviderWithDefinition> {
    return this.json(
      { method: "PUT", path: path`/v1/providers/${name}`, body: definition },
      options,
    );
  }

  delete(name: string, options?: CallOptions): Promise<void> {
    return this.json({ method: "DELETE", path: path`/v1/providers/${name}` }, options);
  }

  /** Shows step by step how a definition reads an answer, or a live job. */
  try(name: string, trial: ProviderTrialRequest, options?: CallOptions): Promise<ProviderTrial> {
    const spec = { path: path`/v1/providers/${name}/try`, body: trial, isRepeatable: true };
    return this.json({ method: "POST", ...spec }, options);
  }

  /** The JSON Schema of a definition. */
  schema(options?: CallOptions): Promise<object> {
    return this.json({ method: "GET", path: "/v1/providers/schema" }, options);
  }
}

export class SigningSecrets extends Resource {
  list(options?: CallOptions): List<SigningSecret> {
    return this.listOf("/v1/signing-secrets", {}, options);
  }

  /** The ones before sign along for `overlap_s`, a day unless given. */
  rotate(
    rotation: { readonly overlap_s?: number; readonly secret?: string } = {},
    options?: CallOptions,
  ): Promise<SigningSecret> {
    return this.json(
      { method: "POST", path: "/v1/signing-secrets/rotate", body: rotation, isRepeatable: true },
      options,
    );
  }
}

export class SigningKeys extends Resource {
  list(filters?: ProjectFilter, options?: CallOptions): List<SigningKey> {
    return this.listOf("/v1/signing-keys", { ...filters }, options);
  }

  keySet(filters?: ProjectFilter, options?: CallOptions): Promise<JsonWebKeySet> {
    return this.json(
      { method: "GET", path: "/v1/signing-keys/jwks", query: { ...filters } },
      options,
    );
  }

  rotate(
    rotation: { readonly overlap_s?: number } = {},
    options?: CallOptions,
  ): Promise<SigningKey> {
    return this.json(
      { method: "POST", path: "/v1/signing-keys/rotate", body: rotation, isRepeatable: true },
      options,
    );
  }
}

export class ApiKeys extends Resource {
  list(paging?: Paging, options?: CallOptions): List<ApiKey> {
    return this.listOf("/v1/api-keys", { ...paging }, options);
  }

  /** The key itself is in the answer this once. */
  create(request: ApiKeyRequest, options?: CallOptions): Promise<NewApiKey> {
    return this.json(
      { method: "POST", path: "/v1/api-keys", body: request, isRepeatable: true },
      options,
    );
  }

  revoke(id: string, options?: CallOptions): Promise<void> {
    return this.json({ method: "DELETE", path: path`/v1/api-keys/${id}` }, options);
  }
}
