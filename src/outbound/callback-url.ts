import type { Warning } from "../core/warning-codes.ts";
import type { AddressGuard } from "./address-guard.ts";
import type { AddressLookup } from "./address-lookup.ts";
import { addressRefusal, AddressRefusedError, exemptionNeeded } from "./destination.ts";
import type { Destination } from "./destination.ts";
import { knownAddresses } from "./known-addresses.ts";
import { guardedAddresses } from "./guarded-addresses.ts";
import { checkUrlSyntax } from "./url-check.ts";
import type { UrlCheck } from "./url-check.ts";

/**
 * Checks what a callback URL says by itself: spelling, scheme, port, forbidden names, IP
 * literals. Other names are judged when they are resolved. Only the parsed `url` may be used.
 */
export function checkCallbackUrl(text: string, guard: AddressGuard): UrlCheck {
  const syntax = checkUrlSyntax(text);
  if (!syntax.ok) return syntax;
  const reason = destinationRefusal(syntax.destination, guard);
  return reason === null ? { ok: true, url: syntax.url } : { ok: false, reason };
}

/**
 * Checks a callback URL as `checkCallbackUrl` does, then resolves its name and refuses it when any
 * address is not allowed.
 *
 * A name that can't be resolved within `timeoutMs` is accepted: DNS may be down for a moment,
 * deliveries are retried, and every connection checks the addresses again.
 */
export async function checkCallbackUrlResolved(
  text: string,
  guard: AddressGuard,
  lookup: AddressLookup,
  timeoutMs: number,
): Promise<UrlCheck> {
  const syntax = checkUrlSyntax(text);
  if (!syntax.ok) return syntax;
  return asCheck(syntax.url, await judgeOnceResolved(syntax.destination, guard, lookup, timeoutMs));
}

/** What is to be said of a destination, its name resolved. */
export interface Judgement {
  /** Why it is refused, or null. */
  readonly reason: string | null;
  readonly warnings: readonly Warning[];
}

/** The check of a URL whose destination was judged. */
export function asCheck(url: URL, { reason, warnings }: Judgement): UrlCheck {
  return reason === null ? { ok: true, url, warnings } : { ok: false, reason };
}

/** Judges a destination, its name resolved. A name that can't be resolved passes with a warning. */
export async function judgeOnceResolved(
  destination: Destination,
  guard: AddressGuard,
  lookup: AddressLookup,
  timeoutMs: number,
): Promise<Judgement> {
  const refusal = destinationRefusal(destination, guard);
  if (refusal !== null) return { reason: refusal, warnings: [] };
  const { host, port } = destination;
  if (guard.exemptsAsThisMachine(host, port))
    return { reason: null, warnings: [onThisMachine(host)] };
  return judgeAddresses(destination, guard, lookup, timeoutMs);
}

/** Why a destination is refused before anything is resolved, or null. */
export function destinationRefusal(destination: Destination, guard: AddressGuard): string | null {
  if (guard.exemptsHostPort(destination.host, destination.port)) return null;
  const known = knownAddresses(destination.host);
  if (known === null) return guard.exemptsSomeAddresses ? null : exemptionNeeded(destination);
  const refusals = known.map((address) => addressRefusal(destination, address, guard));
  return refusals.includes(null) ? null : (refusals[0] ?? null);
}

async function judgeAddresses(
  destination: Destination,
  guard: AddressGuard,
  lookup: AddressLookup,
  timeoutMs: number,
): Promise<Judgement> {
  const { host } = destination;
  const { promise: tooLate, resolve: giveUp } = Promise.withResolvers<null>();
  const timer = setTimeout(giveUp, timeoutMs, null);
  try {
    const addresses = await Promise.race([guardedAddresses(destination, guard, lookup), tooLate]);
    if (addresses === null) return unresolved(host, `no answer within ${timeoutMs} ms`);
    return addresses.length > 0 ? PASSED : unresolved(host, "it has no address");
  } catch (error) {
    if (error instanceof AddressRefusedError) return { reason: error.message, warnings: [] };
    return unresolved(host, codeOf(error));
  } finally {
    clearTimeout(timer);
  }
}

const PASSED: Judgement = { reason: null, warnings: [] };

function unresolved(host: string, why: string): Judgement {
  const message =
    `${host} could not be resolved just now (${why}). Check its spelling; callbacks are tried ` +
    "and retried as if it could.";
  return { reason: null, warnings: [{ code: "callback_host_unresolved", message }] };
}

function onThisMachine(host: string): Warning {
  const message =
    `${host} is this machine: allowed only because the gateway uses its own database and listens on ` +
    "loopback. Otherwise RINGBACK_EGRESS_ALLOW must list it.";
  return { code: "callback_on_this_machine", message };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "the lookup failed";
}
