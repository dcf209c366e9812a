import type { AddressGuard } from "./address-guard.ts";
import { addressRefusal, AddressRefusedError } from "./destination.ts";
import type { Destination } from "./destination.ts";
import { knownAddresses } from "./known-addresses.ts";
import { NameLookupError } from "../names/name-lookup-error.ts";
import type { AddressLookup } from "../names/name-resolver.ts";

/**
 * The addresses that may be connected to for a destination.
 *
 * Throws `AddressRefusedError` when any of them is refused: a name that mixes public and private
 * addresses is an attack or a mistake. `localhost` means both loopback addresses, of which an
 * operator may allow one. Rejects with a `NameLookupError` when the name can't be resolved.
 */
export async function guardedAddresses(
  destination: Destination,
  guard: AddressGuard,
  lookup: AddressLookup,
  projectId: string,
): Promise<readonly string[]> {
  const known = knownAddresses(destination.host);
  if (known !== null) return allowedOfKnown(known, destination, guard);
  const { host, port } = destination;
  const isListed = guard.exemptsHostPort(host, port);
  const addresses = await lookup({ host, projectId, isListed });
  if (addresses.length === 0) throw new NameLookupError("not_found", `${host} has no address`);
  for (const address of addresses) throwIfRefused(addressRefusal(destination, address, guard));
  return addresses;
}

function allowedOfKnown(
  known: readonly string[],
  destination: Destination,
  guard: AddressGuard,
): readonly string[] {
  const refusals = known.map((address) => addressRefusal(destination, address, guard));
  const allowed = known.filter((_, index) => refusals[index] === null);
  if (allowed.length === 0) throwIfRefused(refusals[0] ?? null);
  return allowed;
}

function throwIfRefused(refusal: string | null): void {
  if (refusal !== null) throw new AddressRefusedError(refusal);
}
