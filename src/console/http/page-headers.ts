/**
 * The headers of a page of the console, which loads its own style and script and nothing else.
 * @param frameAncestors origins of the pages that may show it in a frame
 */
export function pageHeaders(
  nonce: string,
  frameAncestors: readonly string[],
): Record<string, string> {
  const isFramed = frameAncestors.length > 0;
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    `frame-ancestors ${isFramed ? frameAncestors.join(" ") : "'none'"}`,
  ].join("; ");
  return {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": policy,
    "cross-origin-opener-policy": "same-origin",
    // A page that isolates itself may frame only what says so.
    "cross-origin-resource-policy": isFramed ? "cross-origin" : "same-origin",
    // Not `no-referrer`: browsers would send forms with `Origin: null`.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    // It knows no list; browsers that know `frame-ancestors` ignore it anyway.
    ...(!isFramed && { "x-frame-options": "DENY" }),
  };
}
