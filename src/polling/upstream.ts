import type { BreakerLimits } from "../core/breaker.ts";
import type { Observation } from "../core/observation.ts";
import { floorSchedule, type PollSchedule } from "../core/poll-schedule.ts";
import { Lane, type LaneLimits } from "../lanes/lane.ts";
import { secretsOf } from "../providers/credential.ts";
import { type PreparedTarget, prepareTarget } from "../providers/prepare-target.ts";
import type { Provider } from "../providers/provider.ts";
import type { Clock } from "../runtime/clock.ts";
import type { SecretBox } from "../runtime/secret-box.ts";
import type { StoredConnection } from "../store/load-connections.ts";
import type { Watch } from "./watch.ts";

const BREAKER: BreakerLimits = { failuresInRowMax: 20, openMsInitial: 1000, openMsMax: 30_000 };
/** Of a connection that can't be used: its jobs wait. */
const NO_LIMITS: LaneLimits = { concurrency: 1, requestsPerSecond: null, burst: 1 };

/** What requests of a connection are made from. */
export interface UpstreamAccess {
  readonly provider: Provider;
  readonly target: PreparedTarget;
  readonly schedule: PollSchedule;
  readonly credentialVersion: number;
  /** Takes the credential out of texts in which an upstream may have echoed it. */
  redact(observation: Observation): Observation;
}

/** One connection at work: its lane, and how to reach its API, if it can be reached at all. */
export class Upstream {
  readonly connectionId: string;
  readonly lane: Lane<Watch>;
  #access: UpstreamAccess | null = null;
  #concurrency = NO_LIMITS.concurrency;
  #restore: ((atMs: number) => void) | null = null;
  #problem: string | null = "The connection is not known yet.";

  constructor(
    connectionId: string,
    clock: Clock,
    start: (upstream: Upstream, watch: Watch) => void,
  ) {
    this.connectionId = connectionId;
    this.lane = new Lane<Watch>({
      limits: NO_LIMITS,
      breaker: BREAKER,
      clock,
      start: (watch) => start(this, watch),
      isCurrent: (watch, dueAtMs) => watch.state === "scheduled" && watch.dueAtMs === dueAtMs,
    });
    this.lane.pause(Infinity);
  }

  /** Null while the connection is paused, deleted or unusable. */
  get access(): UpstreamAccess | null {
    return this.#access;
  }

  /**
   * Whether requests may wait for news: while they could all wait at once and leave half of the
   * lane to jobs that come.
   */
  get hasRoomToLinger(): boolean {
    return 2 * (this.lane.queued + this.lane.inFlight) <= this.#concurrency;
  }

  /** Why there is no access. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Takes back a suspension that could not be recorded: the next refusal, from `atMs` on, tries again. */
  restore(atMs: number): void {
    this.#restore?.(atMs);
  }

  /**
   * Takes over what the connection says now; a usable one starts its due jobs at once.
   * @param resumeAtMs sends nothing before
   */
  configure(
    connection: StoredConnection,
    providers: ReadonlyMap<string, Provider>,
    secretBox: SecretBox,
    resumeAtMs = 0,
  ): void {
    this.#restore = (atMs) => this.configure(connection, providers, secretBox, atMs);
    const outcome = accessOf(connection, providers, secretBox);
    if (typeof outcome === "string") {
      this.suspend(outcome);
      return;
    }
    this.#access = outcome;
    this.#problem = null;
    const limits = limitsOf(connection, outcome.provider);
    this.#concurrency = limits.concurrency;
    this.lane.configure(limits);
    this.lane.resume(resumeAtMs);
  }

  /** Sends nothing any more until configured anew. */
  suspend(problem: string): void {
    this.#access = null;
    this.#problem = problem;
    this.lane.pause(Infinity);
  }
}

/** How to reach the API, or why that is not possible. */
function accessOf(
  connection: StoredConnection,
  providers: ReadonlyMap<string, Provider>,
  secretBox: SecretBox,
): UpstreamAccess | string {
  if (connection.isDeleted) return "The connection was deleted.";
  if (connection.state === "paused") {
    return `The connection is paused: ${connection.pausedReason ?? "by hand"}`;
  }
  const provider = providers.get(connection.provider);
  if (provider === undefined)
    return `The provider ${connection.provider} is not known to this node.`;
  const credential = openCredential(connection, secretBox);
  if (credential === null)
    return "The credential cannot be decrypted with RINGBACK_ENCRYPTION_KEYS.";
  const prepared = prepareTarget(provider, { baseUrl: connection.baseUrl, credential });
  if (prepared.kind === "refused") return prepared.problem;
  return {
    provider,
    target: prepared.target,
    schedule: scheduleOf(connection, provider),
    credentialVersion: connection.credentialVersion,
    redact: redactor(secretsOf(provider.definition.auth, credential)),
  };
}

function redactor(secrets: readonly string[]): (observation: Observation) => Observation {
  const redact = (text: string): string =>
    secrets.reduce((clean, secret) => clean.replaceAll(secret, "[redacted]"), text);
  return (observation) => redactTexts(observation, redact);
}

function redactTexts(observation: Observation, redact: (text: string) => string): Observation {
  switch (observation.kind) {
    case "completed":
      return observation;
    case "running":
      return observation.unknownStatus === null
        ? observation
        : { ...observation, unknownStatus: redact(observation.unknownStatus) };
    case "failed":
    case "canceled":
    case "expired":
      return { ...observation, error: redact(observation.error) };
    case "retry":
    case "credential_rejected":
      return { ...observation, reason: redact(observation.reason) };
  }
}

function openCredential(connection: StoredConnection, secretBox: SecretBox): string | null {
  if (connection.credential === null) return "";
  try {
    return secretBox.open(connection.credential);
  } catch {
    return null;
  }
}

function scheduleOf(connection: StoredConnection, provider: Provider): PollSchedule {
  const intervalS = connection.settings.poll_interval_s;
  return intervalS === undefined
    ? provider.schedule
    : floorSchedule({ kind: "fixed", intervalMs: intervalS * 1000 }, provider.minIntervalMs);
}

function limitsOf(connection: StoredConnection, provider: Provider): LaneLimits {
  const limits = connection.settings.limits;
  const requestsPerSecond = limits?.requests_per_second;
  return {
    concurrency: limits?.concurrency ?? provider.limits.concurrency,
    requestsPerSecond:
      requestsPerSecond === undefined ? provider.limits.requestsPerSecond : requestsPerSecond,
    burst: limits?.burst ?? provider.limits.burst,
  };
}
