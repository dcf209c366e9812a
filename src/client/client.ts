import type {
  CallbackTest,
  GatewayNode,
  Project,
  Subscription,
  Stats,
  StatsHistory,
  AuditEntry,
  OperationalEvent,
} from "../api/models.ts";
import type {
  CallbackTestRequest,
  Ending,
  Job,
  NewSubscription,
  ProjectChange,
  WatchOptions,
  StatsHistoryQuery,
  Paging,
} from "./models.ts";
import { Inboxes } from "./inboxes.ts";
import {
  ApiKeys,
  CallbackOrigins,
  Connections,
  ConsoleLinks,
  Deliveries,
  Events,
  Jobs,
  Providers,
  Redeliveries,
  Sandbox,
  SigningKeys,
  SigningSecrets,
  Subscriptions,
  Resource,
} from "./resources.ts";
import {
  type CallOptions,
  type ReadAnswer,
  type Received,
  type RequestSpec,
  Transport,
  type TransportOptions,
} from "./transport.ts";
import { subscriptionIdOf, subscriptionTo, waitForEnding, type WaitOptions } from "./watching.ts";
import type { List } from "./list.ts";

/** Where the gateway is, and what a test passes in. */
export interface RingbackOptions extends Partial<Omit<TransportOptions, "url" | "apiKey">> {
  /** The gateway's address, such as `https://ringback.example.com`; `RINGBACK_URL` or this machine's unless given. */
  readonly url?: string | undefined;
  /** `rb_…`; `RINGBACK_API_KEY` unless given. */
  readonly apiKey?: string | undefined;
}

/** The address of a gateway that runs on this machine with its own settings. */
export const LOCAL_URL = "http://127.0.0.1:8080";

const RETRIES = 4;
const TIMEOUT_MS = 30_000;
const KEY_BYTES = 16;

/**
 * A client of one gateway. Its calls are repeated when the gateway is busy or can't be reached, where
 * that can do no harm, and fail with a `RingbackError`.
 */
export class Ringback {
  readonly subscriptions: Subscriptions;
  readonly jobs: Jobs;
  readonly deliveries: Deliveries;
  readonly callbackOrigins: CallbackOrigins;
  readonly redeliveries: Redeliveries;
  readonly events: Events;
  readonly connections: Connections;
  readonly consoleLinks: ConsoleLinks;
  readonly inboxes: Inboxes;
  readonly providers: Providers;
  readonly sandbox: Sandbox;
  readonly signingSecrets: SigningSecrets;
  readonly signingKeys: SigningKeys;
  readonly apiKeys: ApiKeys;
  readonly operationalEvents: OperationalEvents;
  readonly auditLog: AuditLog;
  readonly #transport: Transport;
  readonly #sleep: TransportOptions["sleep"];

  /** @throws {TypeError} when there is no API key, or the address is none */
  constructor(options: RingbackOptions = {}) {
    const apiKey = options.apiKey ?? environment("RINGBACK_API_KEY");
    if (!apiKey) {
      throw new TypeError(
        "Set RINGBACK_API_KEY, or give apiKey: an API key of the gateway (rb_…).",
      );
    }
    if (!/^[\x21-\x7e]+$/.test(apiKey.trim())) {
      throw new TypeError("apiKey has characters that no API key of a gateway has (rb_…).");
    }
    this.#sleep = options.sleep ?? sleep;
    const transport = new Transport({
      fetch: (url, init) => globalThis.fetch(url, init),
      random: Math.random,
      newKey,
      retries: RETRIES,
      timeoutMs: TIMEOUT_MS,
      ...options,
      url: options.url ?? environment("RINGBACK_URL") ?? LOCAL_URL,
      apiKey: apiKey.trim(),
      sleep: this.#sleep,
    });
    this.#transport = transport;
    this.subscriptions = new Subscriptions(transport);
    this.jobs = new Jobs(transport);
    this.callbackOrigins = new CallbackOrigins(transport);
    this.deliveries = new Deliveries(transport);
    this.redeliveries = new Redeliveries(transport);
    this.events = new Events(transport);
    this.connections = new Connections(transport);
    this.consoleLinks = new ConsoleLinks(transport);
    this.inboxes = new Inboxes(transport);
    this.providers = new Providers(transport);
    this.sandbox = new Sandbox(transport);
    this.signingSecrets = new SigningSecrets(transport);
    this.signingKeys = new SigningKeys(transport);
    this.apiKeys = new ApiKeys(transport);
    this.operationalEvents = new OperationalEvents(transport);
    this.auditLog = new AuditLog(transport);
  }

  /**
   * Has a job watched: subscribes to it. When it resolves, the subscription is stored, and its callback
   * comes whatever happens.
   * @param job its id, or what the job API answered when it was submitted
   */
  watch(job: Job, options: WatchOptions, call?: CallOptions): Promise<NewSubscription> {
    const body = subscriptionTo(job, options);
    const spec = { path: "/v1/subscriptions", body, isRepeatable: true };
    return this.#transport.json({ method: "POST", ...spec }, call);
  }

  /**
   * Waits until a job has ended, and says how. The callback is sent all the same.
   * @param target a subscription, its id, or a job that is watched
   */
  async wait(
    target: Subscription | NewSubscription | Job,
    options: WaitOptions = {},
  ): Promise<Ending> {
    const id = await subscriptionIdOf(target, this.#transport, { signal: options.signal });
    return waitForEnding(id, this.#transport, options, this.#sleep);
  }

  /** How many jobs, subscriptions and deliveries of each status the project has. */
  stats(options?: CallOptions): Promise<Stats> {
    return this.#transport.json({ method: "GET", path: "/v1/stats" }, options);
  }

  /** Endings and callbacks of the last day, step by step. */
  statsHistory(query: StatsHistoryQuery = {}, options?: CallOptions): Promise<StatsHistory> {
    return this.#transport.json(
      { method: "GET", path: "/v1/stats/history", query: { ...query } },
      options,
    );
  }

  /** The nodes of the gateway, with their shards and leases. */
  async nodes(options?: CallOptions): Promise<readonly GatewayNode[]> {
    const spec = { method: "GET", path: "/v1/nodes" } as const;
    return (await this.#transport.json<{ readonly data: readonly GatewayNode[] }>(spec, options))
      .data;
  }

  /** The project of the API key, its settings and limits. */
  project(options?: CallOptions): Promise<Project> {
    return this.#transport.json({ method: "GET", path: "/v1/project" }, options);
  }

  updateProject(change: ProjectChange, options?: CallOptions): Promise<Project> {
    return this.#transport.json({ method: "PATCH", path: "/v1/project", body: change }, options);
  }

  /** Sends one signed `ringback.test` event to a URL, and answers with the whole exchange. */
  testCallback(request: CallbackTestRequest, options?: CallOptions): Promise<CallbackTest> {
    return this.#transport.json(
      { method: "POST", path: "/v1/callbacks/test", body: request },
      options,
    );
  }

  /** Whether the gateway runs. */
  health(options?: CallOptions): Promise<{ readonly status: "ok" }> {
    return this.#transport.json({ method: "GET", path: "/healthz" }, options);
  }

  /** Whether the gateway takes requests; fails with `not_ready` when it does not. */
  ready(options?: CallOptions): Promise<{ readonly status: "ready" }> {
    return this.#transport.json({ method: "GET", path: "/readyz", retries: 0 }, options);
  }

  /** Any request to the gateway: for what this version of the client has no name for. */
  request<T>(spec: RequestSpec, options?: CallOptions): Promise<T> {
    return this.#transport.json<T>(spec, options);
  }

  /** The same, with the text of the answer, which has every digit of its numbers. */
  read<T>(spec: RequestSpec, options?: CallOptions): Promise<ReadAnswer<T>> {
    return this.#transport.read<T>(spec, options);
  }

  /** The same, with the answer as it came: its status, headers, and text digit by digit. */
  send(spec: RequestSpec, options?: CallOptions): Promise<Received> {
    return this.#transport.send(spec, options);
  }
}

/** A setting of the process; undefined where there are none, or where they may not be read (browsers, Workers, Deno). */
function environment(name: string): string | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> };
  };
  try {
    return process?.env?.[name];
  } catch {
    return undefined;
  }
}

/** Random hex digits, also where there is no `randomUUID`: on pages that come over plain http. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/* A project's history, for its operators. */

class OperationalEvents extends Resource {
  list(
    filters?: { readonly type?: OperationalEvent["type"] } & Paging,
    options?: CallOptions,
  ): List<OperationalEvent> {
    return this.listOf("/v1/operational-events", { ...filters }, options);
  }
}

class AuditLog extends Resource {
  list(paging?: Paging, options?: CallOptions): List<AuditEntry> {
    return this.listOf("/v1/audit-log", { ...paging }, options);
  }
}
