import type { AddressGuard } from "./address-guard.ts";
import { destinationRefusal } from "./callback-url.ts";
import { checkUrlSyntax } from "./url-check.ts";
import type { UrlCheck } from "./url-check.ts";

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
