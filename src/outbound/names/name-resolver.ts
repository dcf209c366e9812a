import { SharedCache } from "../../lanes/shares/shared-cache.ts";
import type { FairSemaphore } from "../../lanes/shares/fair-semaphore.ts";
import type { AskDns, DnsAnswer } from "./dns-query.ts";
import { candidatesOf, type ResolverFiles } from "./resolver-files.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** A name server says that the name has no address. */
type NotFound = "not_found";
/** No name server answered, or the answer was an error. */
type Failed = "failed";

/** A name could not be resolved; the message is for the person who reads the attempt. */
export class NameLookupError extends Error {
  override readonly name = "NameLookupError";
  readonly kind: NotFound | Failed;

  constructor(kind: NotFound | Failed, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A name, the project that it is resolved for, and how far the search may go. */
export interface NameToResolve {
  readonly host: string;
  readonly projectId: string;
  /**
   * True when the operator listed the name. Only such names may also come from sources that only
   * the machine's own resolver has, such as multicast DNS, which blocks a thread for each lookup.
   */
  readonly isListed: boolean;
}

/** All addresses of a name; rejects with a `NameLookupError`. */
export type AddressLookup = (name: NameToResolve) => Promise<readonly string[]>;

/** The known facts about a name, without a lookup. */
export type KnownName =
  | { readonly kind: "found"; readonly addresses: readonly string[] }
  | { readonly kind: "not_resolved"; readonly error: NameLookupError }
  /** It has not been looked up yet. */
  | { readonly kind: "unknown" };

interface NameResolverOptions {
  readonly files: Pick<ResolverFiles, "refresh" | "addressesOf" | "rules">;
  readonly ask: AskDns;
  /** The machine's own resolver; rejects when it knows no address. */
  readonly askSystem: (host: string) => Promise<readonly string[]>;
  /** Limits the lookups in progress, shared among projects. */
  readonly turns: Pick<FairSemaphore, "acquire" | "tryAcquire" | "release">;
}

/** Bounds one lookup with all its candidates and, separately, the wait for a permit. */
const LOOKUP_MS_MAX = 3_000;
const TURN_WAIT_MS_MAX = 5_000;
/** Answers are used for their time to live, within these bounds. */
const FOUND_MS_MIN = 1_000;
const FOUND_MS_MAX = 60_000;
/** How long a failed lookup is not repeated. */
const NOT_RESOLVED_MS = 5_000;
/**
 * While no name server answers, an old answer is used (RFC 8767); every connection still judges the
 * addresses.
 */
const STALE_MS_MAX = 3_600_000;
/** How long an answer of the machine's own resolver is used, which has no time to live. */
const SYSTEM_TTL_S = 5;
const NAMES_MAX = 10_000;
const FAILURES_MAX = 10_000;

interface Failure {
  readonly error: NameLookupError;
  readonly untilMs: number;
}

/**
 * Resolves names as the machine does: by the hosts file, otherwise by the name servers and search
 * domains of /etc/resolv.conf. Lookups in progress are limited and shared among projects, so names
 * whose server never answers delay only the projects that use them.
 */
export class NameResolver {
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #options: NameResolverOptions;
  /** In the order of their last answers. */
  readonly #found = new SharedCache<{
    readonly addresses: readonly string[];
    readonly freshUntilMs: number;
    readonly staleUntilMs: number;
  }>(NAMES_MAX);
  readonly #failures = new SharedCache<Failure>(FAILURES_MAX);
  readonly #inProgress = new Map<string, Promise<readonly string[]>>();

  constructor(runtime: Pick<Runtime, "clock">, options: NameResolverOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Number of lookups in progress. */
  get inProgress(): number {
    return this.#inProgress.size;
  }

  readonly lookup: AddressLookup = async (name) => {
    const { files, turns } = this.#options;
    await files.refresh();
    const atOnce = this.#known(name) ?? this.#inProgress.get(keyOf(name));
    if (atOnce !== undefined) return atOnce;
    await this.#takeTurn(name);
    // Another lookup may have begun during the wait.
    const begun = this.#inProgress.get(keyOf(name));
    if (begun === undefined) return this.#begin(name);
    turns.release(name.projectId);
    return begun;
  };

  /**
   * Returns what is known about a name. Starts a lookup if that is nothing, or old, and if the
   * project may start another one now.
   */
  peek(name: NameToResolve): KnownName {
    const key = keyOf(name);
    const nowMs = this.#runtime.clock.monotonic();
    const listed = this.#options.files.addressesOf(name.host);
    if (listed !== null) return { kind: "found", addresses: listed };
    const found = this.#found.get(key);
    const failure = this.#failureOf(key, nowMs);
    const isFresh = found !== undefined && nowMs < found.freshUntilMs;
    if (!isFresh && failure === null) this.#beginIfFree(name);
    if (found !== undefined && nowMs < found.staleUntilMs)
      return { kind: "found", addresses: found.addresses };
    return failure === null ? { kind: "unknown" } : { kind: "not_resolved", error: failure.error };
  }

  #beginIfFree(name: NameToResolve): void {
    if (this.#inProgress.has(keyOf(name))) return;
    if (!this.#options.turns.tryAcquire(name.projectId)) return;
    // The connection looks it up again.
    this.#begin(name).catch(() => undefined);
  }

  /** Its addresses; null when they have to be looked up. Throws why it has none. */
  #known(name: NameToResolve): readonly string[] | null {
    const listed = this.#options.files.addressesOf(name.host);
    if (listed !== null) return listed;
    const key = keyOf(name);
    const nowMs = this.#runtime.clock.monotonic();
    const found = this.#found.get(key);
    if (found !== undefined && nowMs < found.freshUntilMs) return found.addresses;
    const failure = this.#failureOf(key, nowMs);
    if (failure === null) return null;
    if (found !== undefined && nowMs < found.staleUntilMs) return found.addresses;
    throw failure.error;
  }

  #failureOf(key: string, nowMs: number): Failure | null {
    const failure = this.#failures.get(key);
    if (failure === undefined) return null;
    if (nowMs < failure.untilMs) return failure;
    this.#failures.delete(key);
    return null;
  }

  async #takeTurn({ host, projectId }: NameToResolve): Promise<void> {
    const { clock } = this.#runtime;
    const { turns } = this.#options;
    if (turns.tryAcquire(projectId)) return;
    const waiting = new AbortController();
    const timer = clock.setTimer(TURN_WAIT_MS_MAX, () => waiting.abort());
    const acquisition = await turns.acquire(projectId, waiting.signal);
    timer.cancel();
    if (acquisition === "acquired") return;
    const message = `${host} was not looked up: too many other lookups of the project are in progress`;
    throw new NameLookupError("failed", message);
  }

  /** A permit was taken; it is released at the end. */
  #begin(name: NameToResolve): Promise<readonly string[]> {
    const key = keyOf(name);
    const answer = this.#resolve(name, key).finally(() => {
      this.#inProgress.delete(key);
      this.#options.turns.release(name.projectId);
    });
    this.#inProgress.set(key, answer);
    return answer;
  }

  async #resolve(
    { host, isListed, projectId }: NameToResolve,
    key: string,
  ): Promise<readonly string[]> {
    await this.#options.files.refresh();
    const ofDns = await this.#askAll(host);
    const answer = isListed && ofDns.kind === "not_found" ? await this.#askSystem(host) : ofDns;
    const nowMs = this.#runtime.clock.monotonic();
    if (answer.kind === "found") {
      this.#keepFound({ projectId, key }, answer, nowMs);
      return answer.addresses;
    }
    const error = errorOf(host, answer);
    this.#failures.set(projectId, key, { error, untilMs: nowMs + NOT_RESOLVED_MS });
    if (answer.kind === "not_found") this.#found.delete(key);
    const stale = this.#found.get(key);
    if (stale !== undefined && nowMs < stale.staleUntilMs) return stale.addresses;
    throw error;
  }

  async #askSystem(host: string): Promise<DnsAnswer> {
    try {
      const addresses = await this.#options.askSystem(host);
      return { kind: "found", addresses, ttlS: SYSTEM_TTL_S };
    } catch {
      return { kind: "not_found" };
    }
  }

  #keepFound(
    { projectId, key }: { readonly projectId: string; readonly key: string },
    { addresses, ttlS }: Extract<DnsAnswer, { kind: "found" }>,
    nowMs: number,
  ): void {
    const freshMs = Math.min(Math.max(ttlS * 1000, FOUND_MS_MIN), FOUND_MS_MAX);
    this.#failures.delete(key);
    this.#found.set(projectId, key, {
      addresses,
      freshUntilMs: nowMs + freshMs,
      staleUntilMs: nowMs + STALE_MS_MAX,
    });
  }

  /** The first candidate that has an address. Silence ends the search, as in glibc. */
  async #askAll(host: string): Promise<DnsAnswer> {
    const { clock } = this.#runtime;
    const { files, ask } = this.#options;
    const deadlineMs = clock.monotonic() + LOOKUP_MS_MAX;
    let worst: DnsAnswer = { kind: "not_found" };
    for (const name of candidatesOf(host, files.rules)) {
      const leftMs = deadlineMs - clock.monotonic();
      if (leftMs <= 0) return { kind: "failed", detail: "ETIMEOUT" };
      const answer = await ask(name, leftMs);
      if (answer.kind === "found") return answer;
      if (answer.kind === "failed") worst = answer;
      if (answer.kind === "failed" && answer.detail !== "ESERVFAIL") return answer;
    }
    return worst;
  }
}

/** A listed name may resolve differently. */
function keyOf({ host, isListed }: NameToResolve): string {
  return isListed ? `listed ${host}` : host;
}

function errorOf(host: string, answer: Exclude<DnsAnswer, { kind: "found" }>): NameLookupError {
  if (answer.kind === "not_found")
    return new NameLookupError("not_found", `${host} does not exist or has no address`);
  const cause = CAUSES.get(answer.detail) ?? "the lookup failed";
  return new NameLookupError(
    "failed",
    `${host} could not be resolved just now: ${cause} (${answer.detail})`,
  );
}

const CAUSES: ReadonlyMap<string, string> = new Map([
  ["ETIMEOUT", "no name server answered in time"],
  ["ECANCELLED", "no name server answered in time"],
  ["ECONNREFUSED", "no name server could be reached"],
  ["ESERVFAIL", "its name servers fail"],
  ["EREFUSED", "the name server refused to answer"],
]);
