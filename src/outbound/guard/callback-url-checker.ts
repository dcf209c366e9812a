import type { AddressGuard } from "./address-guard.ts";
import { judgeDestination } from "./callback-url.ts";
import type { KnownName, NameToResolve } from "../names/name-resolver.ts";
import type { OutboundRequest } from "../exchange/request-outcome.ts";
import { checkUrlSyntax } from "./url-check.ts";
import type { UrlCheck } from "./url-check.ts";

export interface CallbackUrlCheckerOptions {
  readonly guardOf: (projectId: string) => AddressGuard;
  /** True when the operator allows callbacks to this destination wherever it leads. */
  readonly trusts: (target: Pick<OutboundRequest, "origin" | "path">) => boolean;
  readonly peek: (name: NameToResolve) => KnownName;
}

/** Checks the callback URLs of API requests without waiting for any lookup. */
export class CallbackUrlChecker {
  readonly #options: CallbackUrlCheckerOptions;

  constructor(options: CallbackUrlCheckerOptions) {
    this.#options = options;
  }

  check(projectId: string, text: string): UrlCheck {
    const syntax = checkUrlSyntax(text);
    if (!syntax.ok) return syntax;
    const { guardOf, trusts, peek } = this.#options;
    const { url, destination } = syntax;
    if (trusts({ origin: url.origin, path: url.pathname + url.search }))
      return { ok: true, url, warnings: [] };
    const { reason, warnings } = judgeDestination(
      destination,
      guardOf(projectId),
      (host, isListed) => peek({ host, projectId, isListed }),
    );
    return reason === null ? { ok: true, url, warnings } : { ok: false, reason };
  }
}
