/**
 * Whether a request that changes something was sent by a page of this gateway, as far as its browser
 * says: by `Sec-Fetch-Site`, else by `Origin`. One that says neither is judged by its CSRF token alone.
 * @param ownHosts host and port of this gateway, as the request and the settings name it
 */
export function isFromOwnPage(headers: Headers, ownHosts: readonly string[]): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin";
  const origin = headers.get("origin");
  return origin === null || ownHosts.includes(URL.parse(origin)?.host ?? "");
}
