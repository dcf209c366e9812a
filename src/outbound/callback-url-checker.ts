import type { Clock } from "../runtime/clock.ts";
import type { AddressGuard } from "./address-guard.ts";
import type { AddressLookup } from "./address-lookup.ts";
import { asCheck, judgeOnceResolved } from "./callback-url.ts";
import type { Judgement } from "./callback-url.ts";
import { checkUrlSyntax } from "./url-check.ts";
import type { UrlCheck } from "./url-check.ts";

/** A judgement is used again for as long: connections are judged anew whatever it says. */
const JUDGED_FOR_MS = 5_000;
const JUDGEMENTS_MAX = 1_000;

/**
 * Checks callback URLs as `checkCallbackUrlResolved` does, but judges an origin that many
 * subscriptions name only once in a while.
 */
export class CallbackUrlChecker {
  readonly #options: {
    readonly guard: AddressGuard;
    readonly lookup: AddressLookup;
    readonly timeoutMs: number;
    readonly clock: Clock;
  };
  readonly #judged = new Map<string, Judgement & { readonly atMs: number }>();

  constructor(options: {
    readonly guard: AddressGuard;
    readonly lookup: AddressLookup;
    readonly timeoutMs: number;
    readonly clock: Clock;
  }) {
    this.#options = options;
  }

  async check(text: string): Promise<UrlCheck> {
    const syntax = checkUrlSyntax(text);
    if (!syntax.ok) return syntax;
    const { origin } = syntax.url;
    const { guard, lookup, timeoutMs, clock } = this.#options;
    let judgement = this.#judged.get(origin);
    if (judgement === undefined || clock.monotonic() - judgement.atMs > JUDGED_FOR_MS) {
      const judged = await judgeOnceResolved(syntax.destination, guard, lookup, timeoutMs);
      judgement = { ...judged, atMs: clock.monotonic() };
      if (this.#judged.size >= JUDGEMENTS_MAX) this.#judged.clear();
      this.#judged.set(origin, judgement);
    }
    return asCheck(syntax.url, judgement);
  }
}
