import { Resolver } from "node:dns/promises";
import type { Clock, Timer } from "../../runtime/clock.ts";

/** The answer for one name. */
export type DnsAnswer =
  | {
      readonly kind: "found";
      /** IPv4 first. */
      readonly addresses: readonly string[];
      /** The shortest time to live in the answer, in seconds. */
      readonly ttlS: number;
    }
  /** The name does not exist or has no address. */
  | { readonly kind: "not_found" }
  /** No server answered, or the answer was an error; `detail` is its code. */
  | { readonly kind: "failed"; readonly detail: string };

/** Looks up the addresses of exactly this name; never rejects. */
export type AskDns = (name: string, timeoutMs: number) => Promise<DnsAnswer>;

/** Time for one server before the next one, or the same, is asked. */
const TRY_MS = 1_000;
const TRIES = 2;
/** How long a resolver is used, since it reads the configuration only when it is made. */
const REUSED_MS = 1_000;
const IDLE_MAX = 64;
/** How long the addresses of one family wait for those of the other. */
const OTHER_FAMILY_MS = 300;
/** For each family; no receiver needs more, and each may be tried. */
const ADDRESSES_MAX = 16;

const NOT_FOUND: ReadonlySet<string> = new Set([
  "ENOTFOUND",
  "ENODATA",
  // The name or a label is too long, so no server would be asked.
  "EBADNAME",
]);

/**
 * Queries name servers with c-ares, which blocks no thread however long they are silent. It reads
 * /etc/resolv.conf for each resolver, so a change is seen within a second. A truncated answer is queried again
 * over TCP.
 * @param servers `address` or `address:port` ([address]:port for IPv6); null for those of /etc/resolv.conf
 */
export function dnsQuery(clock: Clock, servers: readonly string[] | null): AskDns {
  const resolvers = new IdleResolvers(clock, servers);
  return async (name, timeoutMs) => {
    // No other query has it, so that canceling one does not cancel another.
    const held = resolvers.take();
    const { resolver } = held;
    let isOver = false;
    let timer: Timer = clock.setTimer(timeoutMs, giveUp);
    function giveUp(): void {
      isOver = true;
      resolver.cancel();
    }
    const hurry = (): void => {
      timer.cancel();
      if (!isOver) timer = clock.setTimer(Math.min(OTHER_FAMILY_MS, timeoutMs), giveUp);
    };
    const families = await Promise.all([
      ask(() => resolver.resolve4(name, { ttl: true }), hurry),
      ask(() => resolver.resolve6(name, { ttl: true }), hurry),
    ]);
    timer.cancel();
    resolvers.giveBack(held);
    return joined(families);
  };
}

interface HeldResolver {
  readonly resolver: Resolver;
  readonly madeAtMs: number;
}

/** Resolvers that no query uses: making one costs as much as a query. */
class IdleResolvers {
  readonly #clock: Clock;
  readonly #servers: readonly string[] | null;
  readonly #idle: HeldResolver[] = [];

  constructor(clock: Clock, servers: readonly string[] | null) {
    this.#clock = clock;
    this.#servers = servers;
  }

  take(): HeldResolver {
    const nowMs = this.#clock.monotonic();
    for (let held = this.#idle.pop(); held !== undefined; held = this.#idle.pop()) {
      if (nowMs - held.madeAtMs < REUSED_MS) return held;
    }
    const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES, maxTimeout: TRY_MS });
    if (this.#servers !== null) resolver.setServers(this.#servers);
    return { resolver, madeAtMs: nowMs };
  }

  giveBack(held: HeldResolver): void {
    if (this.#idle.length < IDLE_MAX) this.#idle.push(held);
  }
}

async function ask(
  resolve: () => Promise<readonly { readonly address: string; readonly ttl: number }[]>,
  onFound: () => void,
): Promise<DnsAnswer> {
  try {
    const records = await resolve();
    if (records.length === 0) return { kind: "not_found" };
    onFound();
    return {
      kind: "found",
      addresses: records.slice(0, ADDRESSES_MAX).map(({ address }) => address),
      ttlS: Math.min(...records.map(({ ttl }) => ttl)),
    };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "no code";
    return NOT_FOUND.has(code) ? { kind: "not_found" } : { kind: "failed", detail: code };
  }
}

/** One family is enough; only both together prove that there is no address. */
function joined(families: readonly DnsAnswer[]): DnsAnswer {
  const found = families.filter((answer) => answer.kind === "found");
  if (found.length > 0) {
    return {
      kind: "found",
      addresses: found.flatMap(({ addresses }) => addresses),
      ttlS: Math.min(...found.map(({ ttlS }) => ttlS)),
    };
  }
  return families.find(({ kind }) => kind === "failed") ?? { kind: "not_found" };
}
