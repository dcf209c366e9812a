import type { AddressGuard } from "./address-guard.ts";
import type { AddressLookup } from "./address-lookup.ts";
import {
  addressRefusal,
  AddressRefusedError,
  exemptionNeeded,
  knownAddresses,
} from "./destination.ts";
import type { Destination } from "./destination.ts";
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
  const reason = await refusalOnceResolved(syntax.destination, guard, lookup, timeoutMs);
  return reason === null ? { ok: true, url: syntax.url } : { ok: false, reason };
}

/** Why a destination is refused, its name resolved, or null. A name that can't be resolved passes. */
export async function refusalOnceResolved(
  destination: Destination,
  guard: AddressGuard,
  lookup: AddressLookup,
  timeoutMs: number,
): Promise<string | null> {
  return (
    destinationRefusal(destination, guard) ??
    (await resolvedRefusal(destination, guard, lookup, timeoutMs))
  );
}

/** Why a destination is refused before anything is resolved, or null. */
export function destinationRefusal(destination: Destination, guard: AddressGuard): string | null {
  if (guard.exemptsHostPort(destination.host, destination.port)) return null;
  const known = knownAddresses(destination.host);
  if (known === null) return guard.exemptsSomeAddresses ? null : exemptionNeeded(destination);
  const refusals = known.map((address) => addressRefusal(destination, address, guard));
  return refusals.includes(null) ? null : (refusals[0] ?? null);
}

async function resolvedRefusal(
  destination: Destination,
  guard: AddressGuard,
  lookup: AddressLookup,
  timeoutMs: number,
): Promise<string | null> {
  const { promise: tooLate, resolve: giveUp } = Promise.withResolvers<null>();
  const timer = setTimeout(giveUp, timeoutMs, null);
  try {
    await Promise.race([guardedAddresses(destination, guard, lookup), tooLate]);
    return null;
  } catch (error) {
    return error instanceof AddressRefusedError ? error.message : null;
  } finally {
    clearTimeout(timer);
  }
}
