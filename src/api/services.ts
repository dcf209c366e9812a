import type { WaitingRequests } from "./request/waiting-requests.ts";
import type { PooledDatabase } from "../store/db/database.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { MinuteCounts } from "../runtime/minute-counts.ts";
import type { WatchList } from "../polling/watch/list.ts";
import type { Upstreams } from "../polling/upstream/upstreams.ts";
import type { ProviderDirectory } from "../polling/upstream/provider-directory.ts";
import type { ConnectionDirectory } from "../polling/upstream/connection-directory.ts";
import type { Poller } from "../polling/poller.ts";
import type { CommandRouter } from "../intake/command-router.ts";
import type { Acceptor } from "../intake/acceptor.ts";
import type { RedeliveryRunner } from "../delivery/redelivery-runner.ts";
import type { SigningKeys } from "../delivery/attempt/signing-keys.ts";
import type { Outbox } from "../delivery/outbox/outbox.ts";
import type { ConnectionLoads } from "../cluster/questions/connection-loads.ts";
import type { Inspector } from "../cluster/questions/inspector.ts";
import type { LaneBoard } from "../cluster/lane-board.ts";
import type { StatusCounter } from "../cluster/status-counter.ts";
import type { DeliveryEngine } from "../delivery/delivery-engine.ts";
import type { ProjectDirectory } from "../cluster/project-directory.ts";
import type { ApiKeyDirectory } from "../cluster/api-keys/api-key-directory.ts";
import type { ProjectLimitName, ProjectLimits } from "../core/limits/project-limits.ts";
import type { Readiness } from "../core/readiness.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ResultLinks } from "../runtime/secrets/result-links.ts";
import type { SecretBox } from "../runtime/secrets/secret-box.ts";
import type { ConsumerClaims } from "../delivery/waits/consumer-claims.ts";
import type { EndingWaits } from "../delivery/waits/ending-waits.ts";
import type { EventWaits } from "../delivery/waits/event-waits.ts";
import type { InboxFeed } from "../delivery/waits/inbox-feed.ts";
import type { InboxDirectory } from "../intake/inbox-directory.ts";
import type { UrlCheck } from "../outbound/guard/url-check.ts";
import type { RequestAdmission } from "./request/request-admission.ts";
import type { RefusedKeys } from "./request/refused-keys.ts";
import type { Log, MessageLog } from "../runtime/process/log.ts";

/**
 * Why a request has no caller: no `Authorization` header; a header that is not `Bearer`, or a text
 * that was never a key; a key that does not exist, has expired, or was revoked; or an address that
 * has sent too many such keys.
 */
export type AuthenticationFailure =
  | "missing"
  | "malformed"
  | "unknown"
  | "expired"
  | "revoked"
  | "limited";

/** The metrics of requests. Tests use a double. */
export interface ApiMetrics extends Pick<Metrics, "scrape" | "recordRequest"> {
  readonly authenticationFailures: { add(failure: AuthenticationFailure): void };
}

/**
 * Everything that the API needs from the rest of the program. Handlers get the database from their
 * request.
 */
export interface ApiServices {
  readonly database: Pick<PooledDatabase, "within">;
  readonly acceptor: Pick<Acceptor, "accept">;
  readonly watches: Pick<WatchList, "view">;
  readonly upstreams: Pick<Upstreams, "loadOf">;
  readonly outbox: Pick<Outbox, "stateOf">;
  readonly lanes: Pick<LaneBoard, "statusesOf" | "origins" | "tryOrigin">;
  readonly inspector: Pick<Inspector, "inspect">;
  readonly connectionLoads: Pick<ConnectionLoads, "of">;
  readonly statusCounter: Pick<StatusCounter, "countsOf">;
  readonly commands: Pick<CommandRouter, "pollNow" | "extended" | "unsubscribed" | "redelivered">;
  readonly redeliveries: Pick<RedeliveryRunner, "shardForNew" | "begin" | "perSecondDefault">;
  readonly delivery: Pick<DeliveryEngine, "test" | "message">;
  readonly endingWaits: Pick<EndingWaits, "wait">;
  readonly eventWaits: Pick<EventWaits, "newestOf" | "wait">;
  readonly inboxes: Pick<InboxDirectory, "ensure" | "forget">;
  readonly inboxFeed: Pick<InboxFeed, "place" | "waitFor">;
  readonly consumerClaims: Pick<ConsumerClaims, "nodeId" | "isHeld" | "claim">;
  readonly signingKeys: Pick<SigningKeys, "forget">;
  readonly apiKeys: Pick<ApiKeyDirectory, "find" | "isUnknown" | "lookUp" | "take" | "used">;
  readonly refusedKeys: RefusedKeys;
  /** When requests with a key may begin, those that are passed on included. */
  readonly admission: RequestAdmission;
  /** True when this address is a trusted proxy of the operator, whose `X-Forwarded-For` counts. */
  isTrustedProxy(address: string): boolean;
  readonly connections: Pick<
    ConnectionDirectory,
    "find" | "findFresh" | "refresh" | "nameOf" | "factsOf"
  >;
  readonly providers: Pick<ProviderDirectory, "find" | "findFresh" | "list" | "refresh">;
  readonly poller: Pick<Poller, "tryLive">;
  readonly secretBox: SecretBox;
  /** Whether callbacks of this project may go to this URL. */
  checkCallbackUrl(projectId: string, text: string): Promise<UrlCheck>;
  /**
   * Whether requests of this project may go to this URL.
   * @param provider of the connection that will have the URL; left out for a URL in a definition
   */
  checkUpstreamUrl(projectId: string, text: string, provider?: string): UrlCheck;
  readiness(): Readiness;
  readonly metrics: ApiMetrics;
  /** Required by `/metrics`, where it is set. */
  readonly metricsToken: string | null;
  /** Counts of this node that are not stored yet. */
  readonly minutes: Pick<MinuteCounts, "of">;
  readonly nodeId: string;
  readonly version: string;
  /** True when the sandbox is served next to the API. */
  readonly hasSandbox: boolean;
  /** True when the web console is served. */
  readonly hasConsole: boolean;
  /** This gateway's own address, without a trailing slash. */
  publicUrl(): string;
  readonly resultLinks: Pick<ResultLinks, "urlOf" | "check">;
  /** Larger results are sent by reference. */
  readonly inlineResultBytesMax: number;
  readonly waiting: WaitingRequests;
  /** Memory for all large request bodies in progress, with their parsed values. */
  readonly requestBodiesBytesMax: number;
  readonly projects: Pick<ProjectDirectory, "refresh" | "get">;
  /** The limits of projects and their use. */
  readonly limits: ProjectLimits & {
    allowedByDefault(name: ProjectLimitName): number;
    /** Null when it is not held in memory. */
    used(projectId: string, name: ProjectLimitName): number | null;
  };
  readonly clock: Clock;
  readonly log: MessageLog & Pick<Log, "isLevelEnabled">;
}
