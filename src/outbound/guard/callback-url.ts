import type { Warning } from "../../core/error-codes.ts";
import { type AddressGuard, knownAddresses } from "./address-guard.ts";
import { addressRefusal, type Destination, exemptionNeeded } from "./destination.ts";
import type { KnownName, NameResolver } from "../names/name-resolver.ts";
import { checkUrlSyntax, type UrlCheck } from "./url-check.ts";
import type { OutboundRequest } from "../exchange/request-outcome.ts";

/** Checks the callback URLs of API requests without waiting for any lookup. */
export class CallbackUrlChecker {
  readonly #guardOf: (projectId: string) => AddressGuard;
  readonly #trusts: (target: Pick<OutboundRequest, "origin" | "path">) => boolean;
  readonly #resolver: Pick<NameResolver, "peek">;

  /** @param trusts true when the operator allows callbacks to this destination wherever it leads */
  constructor(
    guardOf: (projectId: string) => AddressGuard,
    trusts: (target: Pick<OutboundRequest, "origin" | "path">) => boolean,
    resolver: Pick<NameResolver, "peek">,
  ) {
    this.#guardOf = guardOf;
    this.#trusts = trusts;
    this.#resolver = resolver;
  }

  check(projectId: string, text: string): UrlCheck {
    const syntax = checkUrlSyntax(text);
    if (!syntax.ok) return syntax;
    const { url, destination } = syntax;
    if (this.#trusts({ origin: url.origin, path: url.pathname + url.search }))
      return { ok: true, url, warnings: [] };
    const { reason, warnings } = judgeDestination(
      destination,
      this.#guardOf(projectId),
      (host, isListed) => this.#resolver.peek({ host, projectId, isListed }),
    );
    return reason === null ? { ok: true, url, warnings } : { ok: false, reason };
  }
}

/**
 * Checks what a callback URL itself shows: spelling, scheme, port, forbidden names, IP literals.
 * Other names are judged when they are resolved. Only the parsed `url` may be used.
 */
export function checkCallbackUrl(text: string, guard: AddressGuard): UrlCheck {
  const syntax = checkUrlSyntax(text);
  if (!syntax.ok) return syntax;
  const reason = destinationRefusal(syntax.destination, guard);
  return reason === null ? { ok: true, url: syntax.url } : { ok: false, reason };
}

/** The verdict about a destination. */
interface Judgement {
  /** Why it is refused, or null. */
  readonly reason: string | null;
  readonly warnings: readonly Warning[];
}

/**
 * Judges a destination by what is already known about its name, without waiting for a name server.
 * An unknown name passes with a warning, and so does one that can't be resolved: name servers may
 * be down for a moment, deliveries are retried, and every connection judges the addresses again.
 */
function judgeDestination(
  destination: Destination,
  guard: AddressGuard,
  peek: (host: string, isListed: boolean) => KnownName,
): Judgement {
  const refusal = destinationRefusal(destination, guard);
  if (refusal !== null) return { reason: refusal, warnings: [] };
  const { host, port } = destination;
  if (guard.exemptsAsThisMachine(host, port))
    return { reason: null, warnings: [onThisMachine(host)] };
  if (knownAddresses(host) !== null) return PASSED;
  const name = peek(host, guard.exemptsHostPort(host, port));
  switch (name.kind) {
    case "found": {
      const refusals = name.addresses.map((address) => addressRefusal(destination, address, guard));
      return { reason: refusals.find((one) => one !== null) ?? null, warnings: [] };
    }
    case "not_resolved":
      return unresolved(`${name.error.message}.`);
    case "unknown":
      return unresolved(`${host} has not been looked up yet.`);
  }
}

/** Why a destination is refused before anything is resolved, or null. */
function destinationRefusal(destination: Destination, guard: AddressGuard): string | null {
  if (guard.exemptsHostPort(destination.host, destination.port)) return null;
  const known = knownAddresses(destination.host);
  if (known === null) return guard.exemptsSomeAddresses ? null : exemptionNeeded(destination);
  const refusals = known.map((address) => addressRefusal(destination, address, guard));
  return refusals.includes(null) ? null : (refusals[0] ?? null);
}

const PASSED: Judgement = { reason: null, warnings: [] };

function unresolved(why: string): Judgement {
  const message = `${why} Check its spelling; callbacks are tried and retried in any case.`;
  return { reason: null, warnings: [{ code: "callback_host_unresolved", message }] };
}

function onThisMachine(host: string): Warning {
  const message =
    `${host} is this machine: allowed only because the gateway uses its own database and listens on ` +
    "loopback. Otherwise RINGBACK_EGRESS_ALLOW must list it.";
  return { code: "callback_on_this_machine", message };
}

/**
 * Checks the base URL of a connection by the rules of callback URLs. A trusted origin is the
 * operator's own (`PULSE_BASE_URL`) and may lead anywhere. A base URL has no query: the paths of
 * requests are appended to it.
 */
export function checkUpstreamUrl(
  baseUrl: string,
  guard: AddressGuard,
  isTrusted: (origin: string) => boolean,
): UrlCheck {
  const syntax = checkUrlSyntax(baseUrl);
  if (!syntax.ok) return syntax;
  const { url, destination } = syntax;
  if (baseUrl.includes("?")) return { ok: false, reason: "remove the query (from ? on)" };
  if (isTrusted(url.origin)) return { ok: true, url };
  const reason = destinationRefusal(destination, guard);
  return reason === null ? { ok: true, url } : { ok: false, reason };
}
