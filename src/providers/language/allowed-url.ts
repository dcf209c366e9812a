import { cleanLine } from "../answer/error-text.ts";

/** True when a pattern such as `*.example.com` matches a host name. */
export function matchesHost(patterns: readonly string[], hostname: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern.split("."), hostname.split(".")));
}

/** `*` matches one label; at the start of the pattern, one or more. */
function matchesPattern(pattern: readonly string[], labels: readonly string[]): boolean {
  const extra = labels.length - pattern.length;
  if (extra < 0 || (extra > 0 && pattern[0] !== "*")) return false;
  return pattern.every((wanted, index) => {
    const label = labels[index === 0 ? 0 : index + extra] ?? "";
    return wanted === "*" ? label !== "" : wanted === label;
  });
}

type UrlReading =
  | { readonly kind: "url"; readonly origin: string; readonly path: string }
  | { readonly kind: "refused"; readonly problem: string };

// Azure asks for 4 KiB; links with a signature and a session are about as long.
const URL_CHARACTERS_MAX = 8192;
// The URL parser drops tabs and line breaks and folds backslashes; other parsers don't.
const AMBIGUOUS = /[\s\p{Cc}\\]/u;
const HTTP_FORM = /^https?:\/\/[^/]/i;

/**
 * Judges a URL that a client or an upstream named: it may lead to `ownOrigin`, or by https to an
 * allowed host on the usual port. This decides where a credential is sent.
 */
export function readAllowedUrl(
  text: string,
  allowed: { readonly ownOrigin: string; readonly hosts: readonly string[] },
): UrlReading {
  if (text.length > URL_CHARACTERS_MAX) {
    return refused(`The URL is longer than ${URL_CHARACTERS_MAX} characters.`);
  }
  const url = AMBIGUOUS.test(text) || !HTTP_FORM.test(text) ? null : URL.parse(text);
  if (url === null) return refused("This is not a URL of the form https://host/path.");
  if (url.username !== "" || url.password !== "") {
    return refused("The URL must not contain a user name or password.");
  }
  const request: UrlReading = {
    kind: "url",
    origin: url.origin,
    // A fragment is for the reader of the response; it is never sent.
    path: url.pathname + url.search,
  };
  if (url.origin === allowed.ownOrigin) return request;
  if (!matchesHost(allowed.hosts, url.hostname)) {
    return refused(`The URL leads to ${url.host}, which is not among ${listOf(allowed)}.`);
  }
  if (url.protocol !== "https:" || url.port !== "") {
    return refused(`The URL must lead to ${url.hostname} by https and without a port.`);
  }
  return request;
}

// A scheme, or a link within the requested document itself.
const NOT_RELATIVE = /^(?:[a-z][a-z0-9+.-]*:|#|$)/i;

/**
 * Resolves a link in a response against the URL of its request (RFC 3986, 5.2, as in the WHATWG URL
 * Standard). A link that can't be resolved is left for `readAllowedUrl` to refuse.
 */
export function resolveLink(link: string, askedUrl: string): string {
  if (NOT_RELATIVE.test(link) || AMBIGUOUS.test(link)) return link;
  return URL.parse(link, askedUrl)?.href ?? link;
}

const SHOWN_CHARACTERS_MAX = 200;

/** Why a link in a response is not followed, without its query, where signatures and keys are. */
export function refusedLink(link: string, problem: string): string {
  const [shown = ""] = link.split(/[?#]/, 1);
  return `The answer's link ${JSON.stringify(cleanLine(shown, SHOWN_CHARACTERS_MAX))} is not followed. ${problem}`;
}

function listOf(allowed: {
  readonly ownOrigin: string;
  readonly hosts: readonly string[];
}): string {
  const hosts = new Set([new URL(allowed.ownOrigin).host, ...allowed.hosts]);
  return `the allowed hosts: ${[...hosts].join(", ")}`;
}

function refused(problem: string): UrlReading {
  return { kind: "refused", problem };
}
