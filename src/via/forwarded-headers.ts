import type { ProviderAuth } from "../providers/definition/auth.ts";
import { ANSWER_HEADERS } from "../runtime/security-headers.ts";
import { isOfCredential } from "./key.ts";

/** Names and values in turn, as Node and undici have them. */
type RawHeaders = readonly string[];

/** RFC 9110, 7.6.1, and what only ever concerned one connection. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** About the way from the client to this gateway. Its cookies are the gateway's own, the console's. */
const OF_THE_WAY_HERE: ReadonlySet<string> = new Set([
  "host",
  "expect",
  "cookie",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
  "via",
]);

const OWN_PREFIX = "ringback-";

/** The names that a Connection header makes hop-by-hop. */
function namedByConnection(raw: RawHeaders): ReadonlySet<string> | null {
  let names: Set<string> | null = null;
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index]?.length !== 10 || raw[index]?.toLowerCase() !== "connection") continue;
    for (const name of (raw[index + 1] ?? "").toLowerCase().split(",")) {
      const trimmed = name.trim();
      if (trimmed === "keep-alive" || trimmed === "close" || trimmed === "") continue;
      names ??= new Set();
      // A client can't have the headers taken off that frame the message or carry the credential.
      if (!NEVER_NAMED.has(trimmed)) names.add(trimmed);
    }
  }
  return names;
}

const NEVER_NAMED: ReadonlySet<string> = new Set(["content-length", "host", "authorization"]);

/** Headers that are removed from a request, since the connection's credential takes their place. */
export interface ReplacedHeaders {
  /** The Ringback key, wherever it was. */
  readonly key: string;
  /** The header that carried it, in lower case; empty for none. */
  readonly carrier: string;
  /** Where the provider has its credential; null to leave the client's own. */
  readonly auth: ProviderAuth | null;
}

/**
 * The headers of a request as they go upstream, in their order: without those of the connection, the
 * gateway's own, and those that hold the Ringback key or a credential that is replaced.
 */
export function requestHeaders(raw: RawHeaders, { key, carrier, auth }: ReplacedHeaders): string[] {
  const named = namedByConnection(raw);
  const kept: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const value = raw[index + 1] ?? "";
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || OF_THE_WAY_HERE.has(lower)) continue;
    if (lower === carrier || (auth !== null && isOfCredential(auth, lower))) continue;
    if (lower.startsWith(OWN_PREFIX) || named?.has(lower) === true || value.includes(key)) continue;
    kept.push(name, value);
  }
  return kept;
}

/** RFC 9110, 6.5.1: a trailer may not say how a message is framed, sent or read, or who sent it. */
const NEVER_TRAILERS: ReadonlySet<string> = new Set([
  "authorization",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
]);

/** The same for the headers that follow a body. */
export function requestTrailers(raw: RawHeaders, replaced: ReplacedHeaders): string[] {
  const allowed: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? "";
    if (!NEVER_TRAILERS.has(name.toLowerCase())) allowed.push(name, raw[index + 1] ?? "");
  }
  return requestHeaders(allowed, replaced);
}

/** The address of an API, and the one under which the client reaches it here. */
export interface LinksThrough {
  readonly from: string;
  readonly to: string;
}

const POLLED_LINKS: ReadonlySet<string> = new Set(["operation-location", "azure-asyncoperation"]);

/**
 * The headers of an answer as they go to the client, in their order. In headers that tell a client
 * where to poll an operation, a link to the API is made one through the gateway: the client's only key
 * is the gateway's. Redirects stay as they are.
 */
export function responseHeaders(
  raw: RawHeaders,
  status: number,
  through: () => LinksThrough,
): string[] {
  const named = namedByConnection(raw);
  const kept: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const value = raw[index + 1] ?? "";
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) && lower !== "trailer") continue;
    if (lower.startsWith(OWN_PREFIX) || named?.has(lower) === true) continue;
    const isPolled = POLLED_LINKS.has(lower) || (lower === "location" && status === ACCEPTED);
    kept.push(name, isPolled ? linkThrough(value, through()) : value);
  }
  for (const [name, value] of ANSWER_HEADERS) {
    if (!hasHeader(raw, name)) kept.push(name, value);
  }
  return kept;
}

function hasHeader(raw: RawHeaders, name: string): boolean {
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index]?.length === name.length && raw[index]?.toLowerCase() === name) return true;
  }
  return false;
}

/** Whatever a text holds, as a header may. */
export function headerText(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : encodeURIComponent(text);
}

const ACCEPTED = 202;

/**
 * A link below the base URL as one through the gateway; any other as it is. One that names only a path
 * of the API's host would lead a client to that path of the gateway.
 */
function linkThrough(link: string, { from, to }: LinksThrough): string {
  const isPath = link.startsWith("/") && !link.startsWith("//");
  const whole = isPath ? `${new URL(from).origin}${link}` : link;
  const rest = whole.startsWith(from) ? whole.slice(from.length) : "";
  return /^[/?]/.test(rest) ? to + rest : link;
}
