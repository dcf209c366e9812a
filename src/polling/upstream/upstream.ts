import {
  afterGoodAnswer,
  afterRefusedCredential,
  isRefusalConfirmed,
  type Suspicion,
} from "../../core/credential-trust.ts";
import type { ConnectionFacts } from "../../core/waiting/job-wait.ts";
import { Lane } from "../../lanes/lane.ts";
import type { LaneLimits } from "../../lanes/lane-options.ts";
import { REQUESTS_PER_SECOND_MIN, type PollCeilings } from "../../core/limits/poll-ceilings.ts";
import type { OriginGate } from "../../lanes/origin-gate.ts";
import { credentialHosts } from "../../providers/compile/hosts.ts";
import type { Provider, ProviderVersion } from "../../providers/compile/provider.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { SecretBox } from "../../runtime/secrets/secret-box.ts";
import type { StoredConnection } from "../../store/connections/load-connections.ts";
import { accessTo, type UpstreamAccess } from "./access.ts";
import { RefusedJobs } from "./refused-jobs.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** The limits of a connection that can't be used: its jobs wait. */
const NO_LIMITS: LaneLimits = { concurrency: 1, requestsPerSecond: null, burst: 1 };

const NOT_KNOWN = "The connection is not known yet.";

/** The definitions that connections and jobs name. */
export interface JobProviders {
  /** The current definition of a provider, or null when this node knows none of that name. */
  current(projectId: string, name: string): Provider | null;
  /** The definition that a job began with; without a version the built-in one of that name. */
  ofJob(name: string, versionId: string | null): Provider | null;
}

export interface UpstreamOptions {
  readonly providers: JobProviders;
  readonly secretBox: SecretBox;
  /** Sent unless the definition has one of its own. */
  readonly userAgent: string;
  readonly ceilings: PollCeilings;
  /**
   * Whether the operator sends requests of this connection, by this version of the definition, to
   * this origin. Left out where none are.
   */
  readonly trusts?: (
    connection: StoredConnection,
    versionId: string | null,
    origin: string,
  ) => boolean;
  /** The gate that all connections of a project to an origin share. */
  readonly gateOf: (origin: string, projectId: string) => OriginGate;
  /** The turn of the watch in this slot has come. */
  readonly poll: (upstream: Upstream, slot: number, generation: number) => void;
  /** The pause of a connection should be probed. */
  readonly probe: (upstream: Upstream) => void;
  /** Whether the watch in this slot is due at this time. */
  readonly isCurrent: (slot: number, dueAtMs: number) => boolean;
}

/** A turn in the lane that something else than a poll waits for. */
interface Turn {
  isWaiting: boolean;
  readonly begin: (generation: number) => void;
}

/**
 * One connection at work: its lane, and how to reach its API, if it can be reached at all. Its jobs
 * may have begun under different versions of the provider's definition; each keeps its own.
 */
export class Upstream {
  readonly connectionId: string;
  /** Holds slots of the watch table, which another watch may have taken by then, and turns. */
  readonly lane: Lane<number | Turn>;
  /** The project of its jobs; null before the first. */
  projectId: string | null = null;
  /** How many jobs are watched through it. */
  jobs = 0;
  readonly #clock: Clock;
  readonly #providers: JobProviders;
  readonly #secretBox: SecretBox;
  readonly #userAgent: string;
  readonly #ceilings: PollCeilings;
  readonly #trusts: NonNullable<UpstreamOptions["trusts"]>;
  readonly #gateOf: UpstreamOptions["gateOf"];
  #connection: StoredConnection | null = null;
  #origin = "";
  #credential = "";
  /** By version of the definition: the access, or why there is none. */
  readonly #accesses = new Map<string | null, UpstreamAccess | string>();
  #isLimited = false;
  readonly #probe: (upstream: Upstream) => void;
  #probeTimer: Timer | null = null;
  #isProbing = false;
  #suspicion: Suspicion | null = null;
  readonly #refusedJobs = new RefusedJobs();
  /** The credential has worked. */
  #hasAnswered = false;
  #problem: string | null = NOT_KNOWN;
  /** The credential was refused a moment ago, which the connection's row does not say yet. */
  #isRefused = false;

  constructor(runtime: Runtime, connectionId: string, options: UpstreamOptions) {
    this.connectionId = connectionId;
    this.#providers = options.providers;
    this.#secretBox = options.secretBox;
    this.#userAgent = options.userAgent;
    this.#ceilings = options.ceilings;
    this.#trusts = options.trusts ?? (() => false);
    this.#clock = runtime.clock;
    this.#probe = options.probe;
    this.#gateOf = options.gateOf;
    this.lane = new Lane<number | Turn>(runtime, {
      limits: NO_LIMITS,
      gate: options.gateOf("", ""),
      start: (item, generation) =>
        typeof item === "number" ? options.poll(this, item, generation) : item.begin(generation),
      isCurrent: (item, dueAtMs) =>
        typeof item === "number" ? options.isCurrent(item, dueAtMs) : item.isWaiting,
    });
    this.lane.pause(Infinity);
  }

  /**
   * Whether requests may wait for news: while they could all wait at once and leave half of the
   * lane to jobs that come.
   */
  get hasRoomForLongPoll(): boolean {
    return 2 * (this.lane.queued + this.lane.inFlight) <= this.lane.concurrency;
  }

  /** Where the lane leads; a job may have a URL of its own elsewhere. */
  get origin(): string {
    return this.#origin;
  }

  /** Why nothing can be sent at all, so that the lane is paused; or null. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Whether one job is being asked although the connection is paused. */
  get isProbing(): boolean {
    return this.#isProbing;
  }

  /** Lets one job be asked although the connection is paused. */
  beginProbe(): void {
    if (this.#probeTimer === null || this.#problem === null) return;
    this.#isProbing = true;
    this.lane.letOnePass();
  }

  endProbe(): void {
    this.#isProbing = false;
  }

  /** Checks after a wait whether the pause should be probed. */
  probeIn(delayMs: number): void {
    this.#probeTimer?.cancel();
    this.#probeTimer = this.#clock.setTimer(delayMs, () => this.#probe(this));
  }

  /** The version of the credential that is stored, whether or not it is being used. */
  get storedCredentialVersion(): number | null {
    return this.#connection?.credentialVersion ?? null;
  }

  /** A job was answered well, by a poll that began then on the monotonic clock. */
  answeredWell(job: { readonly id: string }, beganAtMs: number): void {
    this.#refusedJobs.answered(job);
    this.#hasAnswered = true;
    this.#suspicion = afterGoodAnswer(this.#suspicion, beganAtMs);
  }

  /** A job's poll was refused. Returns whether that is reason to pause the connection. */
  credentialRefused(job: number, isPlain: boolean): boolean {
    const suspicion = afterRefusedCredential(this.#suspicion, job, this.#clock.monotonic());
    this.#suspicion = suspicion;
    return isRefusalConfirmed(suspicion, { isPlain, hasAnswered: this.#hasAnswered });
  }

  /** A job's poll was refused because of the rate. Returns whether for the job's own sake. */
  rateRefused(job: { readonly id: string }): boolean {
    return this.#refusedJobs.refused(job.id);
  }

  close(): void {
    this.#probeTimer?.cancel();
    this.lane.close();
  }

  /** Null while nothing can be sent. */
  get credentialVersion(): number | null {
    return this.#problem === null ? (this.#connection?.credentialVersion ?? null) : null;
  }

  /** How jobs of this version of the definition are asked about; null when they can't be. */
  accessOf(versionId: string | null): UpstreamAccess | null {
    const access = this.#lookUp(versionId);
    return typeof access === "string" ? null : access;
  }

  /** Why jobs of this version can't be asked about, or null. */
  problemOf(versionId: string | null): string | null {
    const access = this.#lookUp(versionId);
    return typeof access === "string" ? access : null;
  }

  /** Whether jobs of this version can be asked about. */
  facts(versionId: string | null): ConnectionFacts {
    const connection = this.#connection;
    if (connection?.state === "paused" && !connection.isDeleted) {
      return { state: "paused", probeAtMs: connection.probeAtMs };
    }
    if (this.#isRefused) return { state: "paused", probeAtMs: null };
    const isUsable = this.problemOf(versionId) === null;
    return { state: isUsable ? "active" : "unusable", probeAtMs: null };
  }

  /** The same for a definition that may not be stored, or why it can't be asked by. */
  accessBy({
    provider,
    source,
    version,
  }: Pick<ProviderVersion, "provider" | "source" | "version">) {
    if (this.#problem !== null || this.#connection === null) return this.#problem ?? NOT_KNOWN;
    const connection = this.#connection;
    return this.#accessTo(connection, provider, {
      isBuiltIn: source === "built_in",
      trusts: (origin) =>
        source !== "project" && this.#trusts(connection, version?.id ?? null, origin),
    });
  }

  /**
   * Waits for a turn among the polls, within the connection's limits. The caller ends its turn with
   * `lane.settle` and the returned generation. Null when no turn came in time.
   */
  takeTurn(waitMs: number): Promise<number | null> {
    const { promise, resolve } = Promise.withResolvers<number | null>();
    const giveUp = (): void => {
      turn.isWaiting = false;
      resolve(null);
    };
    const timer = this.#clock.setTimer(waitMs, giveUp);
    const begin = (generation: number): void => {
      timer.cancel();
      resolve(generation);
    };
    const turn: Turn = { isWaiting: true, begin };
    this.lane.push(turn, this.#clock.monotonic());
    return promise;
  }

  /**
   * Takes a turn before all polls that are due, at once or when there is one. Null when none came in time; `lane.settle` ends
   * one, with the generation that this gives.
   */
  takeTurnAhead(waitMs: number): Promise<number | null> | number {
    const atOnce = this.lane.beginNow();
    if (atOnce !== null) return atOnce;
    const { promise, resolve } = Promise.withResolvers<number | null>();
    const timer = this.#clock.setTimer(waitMs, () => {
      this.lane.withdraw(turn);
      resolve(null);
    });
    const begin = (generation: number): void => {
      timer.cancel();
      resolve(generation);
    };
    const turn: Turn = { isWaiting: true, begin };
    this.lane.pushAhead(turn);
    return promise;
  }

  /** Whether the connection is one of this project at this provider. */
  isOf(projectId: string, provider: string): boolean {
    return this.#connection?.projectId === projectId && this.#connection.provider === provider;
  }

  /**
   * Takes over what the connection says now; a usable one starts its due jobs at once.
   * @param resumeAtMs sends nothing before, by the monotonic clock
   */
  configure(connection: StoredConnection, resumeAtMs = 0): void {
    if (this.#connection?.credentialVersion !== connection.credentialVersion) {
      this.#hasAnswered = false;
    }
    this.#connection = connection;
    this.#isRefused = false;
    this.#probeTimer?.cancel();
    this.#probeTimer = null;
    this.#accesses.clear();
    const credential = openCredential(connection, this.#secretBox);
    const problem = connectionProblem(connection, credential);
    this.#credential = credential ?? "";
    if (problem !== null) {
      // A probe continues while only the time of the next one has changed.
      if (!this.#isProbing || connection.probeAtMs === null) this.#stop(problem);
      const isProbed =
        connection.state === "paused" && !connection.isDeleted && credential !== null;
      if (isProbed && connection.probeAtMs !== null) {
        this.probeIn(connection.probeAtMs - this.#clock.now());
      }
      return;
    }
    this.#isProbing = false;
    this.#suspicion = null;
    this.#problem = null;
    this.#limit(connection);
    this.lane.resume(resumeAtMs);
  }

  /** The provider's definition has changed: its limits count from now on. */
  providerChanged(): void {
    for (const [versionId, access] of this.#accesses) {
      if (typeof access === "string") this.#accesses.delete(versionId);
    }
    if (this.#problem === null && this.#connection !== null) this.#limit(this.#connection);
  }

  /** The credential was refused: sends nothing until the connection changes. */
  suspend(problem: string): void {
    this.#isRefused = true;
    this.#stop(problem);
  }

  #stop(problem: string): void {
    this.#isProbing = false;
    this.#problem = problem;
    this.#accesses.clear();
    this.lane.pause(Infinity);
  }

  /** Takes back a suspension that could not be recorded: the next refusal, from `atMs` on, tries again. */
  restore(atMs: number): void {
    if (this.#connection !== null) this.configure(this.#connection, atMs);
  }

  #lookUp(versionId: string | null): UpstreamAccess | string {
    if (this.#problem !== null && !this.#isProbing) return this.#problem;
    const known = this.#accesses.get(versionId);
    if (known !== undefined) return known;
    const access = this.#prepare(versionId);
    this.#accesses.set(versionId, access);
    return access;
  }

  #prepare(versionId: string | null): UpstreamAccess | string {
    const connection = this.#connection;
    if (connection === null) return NOT_KNOWN;
    const provider = this.#providers.ofJob(connection.provider, versionId);
    if (provider === null) return unknownDefinition(connection.provider, versionId);
    const access = this.#accessTo(connection, provider, {
      isBuiltIn: versionId === null,
      trusts: (origin) => this.#trusts(connection, versionId, origin),
    });
    if (typeof access !== "string" && !this.#isLimited) this.#limitTo(connection, provider);
    return access;
  }

  /** Only what comes with the program is trusted with every credential that it is given for. */
  #accessTo(
    connection: StoredConnection,
    provider: Provider,
    {
      isBuiltIn,
      trusts,
    }: { readonly isBuiltIn: boolean; readonly trusts: (origin: string) => boolean },
  ) {
    return accessTo(provider, {
      connection,
      credential: this.#credential,
      agreedHosts: isBuiltIn ? null : this.#agreedHosts(connection),
      userAgent: this.#userAgent,
      ceilings: this.#ceilings,
      trusts,
    });
  }

  /** Where the connection's credential may be sent. */
  #agreedHosts(connection: StoredConnection): readonly string[] {
    if (connection.agreedHosts !== null) return connection.agreedHosts;
    const builtIn = this.#providers.ofJob(connection.provider, null);
    return builtIn === null ? [] : credentialHosts(builtIn, connection.baseUrl);
  }

  /** A node that doesn't know the provider goes by the definition of the first job it polls. */
  #limit(connection: StoredConnection): void {
    const provider = this.#providers.current(connection.projectId, connection.provider);
    this.#isLimited = provider !== null;
    if (provider !== null) this.#limitTo(connection, provider);
  }

  #limitTo(connection: StoredConnection, provider: Provider): void {
    const origin = URL.parse(connection.baseUrl ?? provider.baseUrl ?? "")?.origin ?? "";
    this.#origin = origin;
    this.lane.moveTo(this.#gateOf(origin, connection.projectId));
    this.lane.configure(limitsOf(connection, provider, this.#ceilings));
  }
}

/** Why nothing can be sent through the connection, or null. */
function connectionProblem(connection: StoredConnection, credential: string | null): string | null {
  if (connection.isDeleted) return "The connection was deleted.";
  if (connection.state === "paused") {
    return `The connection is paused: ${connection.pausedReason ?? "by hand"}`;
  }
  return credential === null
    ? "The credential cannot be decrypted with RINGBACK_ENCRYPTION_KEYS."
    : null;
}

function unknownDefinition(name: string, versionId: string | null): string {
  return versionId === null
    ? `The provider ${name} is not known to this node.`
    : `The version of the provider ${name} that this job began with can't be read by this node.`;
}

function openCredential(connection: StoredConnection, secretBox: SecretBox): string | null {
  if (connection.credential === null) return "";
  try {
    const place = { column: "connections.credential", id: connection.id } as const;
    return secretBox.open(connection.credential, place);
  } catch {
    return null;
  }
}

function limitsOf(
  connection: StoredConnection,
  provider: Provider,
  { concurrencyMax, requestsPerSecondMax }: PollCeilings,
): LaneLimits {
  const limits = connection.settings.limits;
  const set = limits?.requests_per_second;
  const wanted = (set === undefined ? provider.limits.requestsPerSecond : set) ?? Infinity;
  const perSecond = Math.max(
    REQUESTS_PER_SECOND_MIN,
    Math.min(wanted, requestsPerSecondMax ?? Infinity),
  );
  return {
    concurrency: Math.min(limits?.concurrency ?? provider.limits.concurrency, concurrencyMax),
    requestsPerSecond: perSecond === Infinity ? null : perSecond,
    burst: limits?.burst ?? provider.limits.burst,
  };
}
