import type { ProjectLimitName, ProjectLimits } from "../core/project-limits.ts";
import type { Readiness } from "../core/readiness.ts";
import type { SignatureScheme } from "../core/signing/signature-scheme.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RequestDeadline } from "../runtime/request-deadline.ts";
import type { ResultLinks } from "../runtime/secrets/result-links.ts";
import type { SecretBox } from "../runtime/secrets/secret-box.ts";
import type { EndingWaits } from "../delivery/waits/ending-waits.ts";
import type { LaneLoad } from "../lanes/lane-load.ts";
import type { UrlCheck } from "../outbound/guard/url-check.ts";
import type { KnownProvider } from "../providers/compile/known-provider.ts";
import type { LiveTrial, LiveTrialOutcome } from "../providers/trial/trial.ts";
import type { LoadedDelivery } from "../store/deliveries/load-deliveries.ts";
import type { AcceptRequest } from "../store/writes/accept-row.ts";
import type { KnownApiKey } from "../store/projects/api-keys.ts";
import type { Database } from "../store/db/database.ts";
import type { SubscriptionRecord } from "../store/subscriptions/subscription-record.ts";
import type { RefusedKeys } from "./request/refused-keys.ts";

/** What became of a wish to be called back. */
export type AcceptOutcome =
  /** Committed. */
  | { readonly kind: "accepted"; readonly subscription: SubscriptionRecord }
  /** The idempotency key was used for the same request before; this is its subscription's UUID. */
  | { readonly kind: "replayed"; readonly subscriptionId: string }
  /** The idempotency key was used for another request. */
  | { readonly kind: "idempotency_conflict" }
  /** Nothing was stored: the project has as many live jobs as it may. */
  | { readonly kind: "too_many_live_jobs"; readonly max: number }
  /** Nothing was stored: the project has used up what it may. */
  | { readonly kind: "limit_reached"; readonly limit: ProjectLimitName; readonly allowed: number }
  /** Nothing was stored: too much of the project waits to be. */
  | { readonly kind: "too_many_at_once" }
  /** Nothing was stored: too much waits to be. */
  | { readonly kind: "overloaded" };

/** What the node that watches a job knows about it beyond the database. */
export interface LiveJob {
  readonly status: "pending" | "processing";
  /** Raw JSON text, or null. */
  readonly progress: string | null;
  readonly pollCount: number;
  readonly lastPolledAtMs: number | null;
  readonly nextPollAtMs: number | null;
  readonly lastError: string | null;
}

export interface Unsubscribed {
  readonly shardId: number;
  readonly jobRowId: string;
  readonly subscriptionId: string;
  /** Nobody waits for the job any more. */
  readonly jobUnwatched: boolean;
  /** The client asked to cancel the job upstream as well. */
  readonly cancelJob: boolean;
}

/** What accepting a job depends on of the connection it names. */
export interface NamedConnection {
  readonly id: string;
  /** Null for the provider's own. */
  readonly baseUrl: string | null;
}

/** How a connection stands on the node that answers. */
export interface ConnectionLoad extends LaneLoad {
  /** How many it polls. */
  readonly jobs: number;
}

export interface ConnectionRegistry {
  /** The live connection of this name, from memory. */
  find(projectId: string, provider: string, name: string): NamedConnection | null;
  /** The same, read again first: another node may have made it just now. */
  findFresh(projectId: string, provider: string, name: string): Promise<NamedConnection | null>;
  /** Tells that the row of this connection has been written. */
  changed(connectionId: string): Promise<void>;
  /** How it stands on this node; null when it is not known here. */
  loadOf(connectionId: string): ConnectionLoad | null;
  /** The name of any connection that ever had jobs, deleted ones included. */
  nameOf(connectionId: string): string;
}

/**
 * Why a request has no caller: it has no `Authorization` header; that is not `Bearer`, or was never a
 * key; a key that does not exist, is over, or was revoked; or its address has sent too many of them.
 */
export type AuthenticationFailure =
  | "missing"
  | "malformed"
  | "unknown"
  | "expired"
  | "revoked"
  | "limited";

/** The API keys as this node knows them, by hash. */
export interface ApiKeyRegistry {
  /** From memory, expired and revoked ones included; null when none is known. */
  find(keyHash: string): KnownApiKey | null;
  /** Whether it was looked up a moment ago and does not exist. */
  isUnknown(keyHash: string): boolean;
  /** Asks the database; null when too many wait. `source` is who asks, of whom `waitingMax` may wait. */
  lookUp(keyHash: string, source: string, waitingMax: number): Promise<KnownApiKey | null> | null;
  /** A key was changed just now. */
  take(key: KnownApiKey): void;
}

/** A whole exchange with a receiver. */
export interface TestedCallback {
  readonly request: { readonly headers: Readonly<Record<string, string>>; readonly body: string };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
    readonly body: string;
    readonly isTruncated: boolean;
  } | null;
  /** Why there is no answer. */
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly durationMs: number;
}

/** A callback that its client fetches, made and signed as those that are sent. */
export interface SignedMessage {
  /** `msg_…` */
  readonly webhookId: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The exact text that is signed. */
  readonly body: string;
}

/** Redeliveries of many, which go on after the answer. */
export interface RedeliveryPorts {
  /** The shard for a new one: one whose owner begins at once. */
  shardForNew(): number;
  /** It is stored and may begin; resolves when it is over, at the latest after `forMs`. */
  begin(
    redelivery: { readonly projectId: string; readonly id: string },
    forMs: number,
  ): Promise<void>;
  /** How many deliveries a second unless the request says otherwise. */
  readonly perSecondDefault: number;
}

export interface ProviderRegistry {
  /** What the project means by this name, from memory. */
  find(projectId: string, name: string): KnownProvider | null;
  /** The same, read again first: another node may have made it just now. */
  findFresh(projectId: string, name: string): Promise<KnownProvider | null>;
  /** All that the project can name, in the order of their names. */
  list(projectId: string): readonly KnownProvider[];
  /** Reads what has changed, as when a definition was written just now. */
  refresh(): Promise<void>;
}

export interface ApiLog {
  isLevelEnabled(level: string): boolean;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** One answered request. */
export interface RequestSample {
  /** The route's pattern, never the path itself: paths are unbounded. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly durationMs: number;
}

/** What projects may use, and what they do use. */
export interface LimitPorts extends ProjectLimits {
  allowedByDefault(name: ProjectLimitName): number;
  /** Null when it is not held in memory. */
  used(projectId: string, name: ProjectLimitName): number | null;
}

/** Everything the API needs from the rest of the program. Handlers get the database from their request. */
export interface ApiPorts {
  /** The database for whatever waits no longer than the deadline. */
  databaseWithin(deadline: RequestDeadline): Database;
  /** Rejects at once while the database is known to be unfit; see `Acceptor.accept`. */
  accept(request: AcceptRequest, deadline: RequestDeadline): Promise<AcceptOutcome>;
  /** Null when another node watches the job, or nobody does. */
  liveJob(shardId: number, jobRowId: string): LiveJob | null;
  /** Polls as soon as the connection's limits allow. */
  pollNow(shardId: number, jobRowId: string): Promise<void>;
  unsubscribed(change: Unsubscribed): Promise<void>;
  /** These deliveries wait to be sent at once. */
  redelivered(
    deliveries: readonly { readonly shardId: number; readonly id: string }[],
  ): Promise<void>;
  readonly redeliveries: RedeliveryPorts;
  /** Sends a callback about nothing and tells what came of it. */
  testCallback(test: {
    readonly projectId: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly secret: string | null;
    /** Null to sign as the project does. */
    readonly signatures: readonly SignatureScheme[] | null;
  }): Promise<TestedCallback>;
  readonly endingWaits: Pick<EndingWaits, "wait">;
  signedMessage(loaded: LoadedDelivery): Promise<SignedMessage>;
  /** The project's signing secrets or keys are others now. */
  signingSecretsChanged(projectId: string): void;
  readonly apiKeys: ApiKeyRegistry;
  readonly refusedKeys: RefusedKeys;
  /** Whether this address is a proxy of the operator, whose `X-Forwarded-For` is believed. */
  isTrustedProxy(address: string): boolean;
  authenticationFailed(failure: AuthenticationFailure): void;
  readonly connections: ConnectionRegistry;
  readonly providers: ProviderRegistry;
  /** Asks about a job once, within its connection's limits, changing nothing. */
  tryLive(connectionId: string, trial: LiveTrial): Promise<LiveTrialOutcome>;
  readonly secretBox: SecretBox;
  /** Whether callbacks of this project may go there. */
  checkCallbackUrl(projectId: string, text: string): Promise<UrlCheck>;
  /**
   * Whether requests of this project may go there.
   * @param provider whose connection is to have the URL; left out for a URL in a definition
   */
  checkUpstreamUrl(projectId: string, text: string, provider?: string): UrlCheck;
  readiness(): Readiness;
  /** `withTenants`: also those that name connections and projects. */
  metrics(withTenants: boolean): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Asked for by `/metrics`, where one is set. */
  readonly metricsToken: string | null;
  recordRequest(sample: RequestSample): void;
  readonly version: string;
  /** Whether the sandbox is served beside the API. */
  readonly hasSandbox: boolean;
  /** This gateway's own address, without a slash at the end. */
  publicUrl(): string;
  readonly resultLinks: Pick<ResultLinks, "urlOf" | "check">;
  /** Larger results go by reference. */
  readonly inlineResultBytesMax: number;
  /** Requests of all projects that may wait for something to happen. */
  readonly requestsWaitingMax: number;
  /** Memory for all large request bodies in progress, with what they are parsed to. */
  readonly requestBodiesBytesMax: number;
  /** A project has changed its settings. */
  projectChanged(): Promise<void>;
  readonly limits: LimitPorts;
  readonly clock: Clock;
  readonly log: ApiLog;
}
