import type { Interpretation } from "../../providers/answer/interpret.ts";
import type { ResponseHeaders } from "../../outbound/exchange/request-outcome.ts";

/**
 * Cookies by which a load balancer keeps a job's requests at the server that knows the job. They are
 * a hint, so they are held in memory only: after a restart, or at another node, the job is asked
 * about without them until an answer brings new ones.
 */
export interface AffinityCookies {
  /** The origin that set them, and the only one that gets them back. */
  readonly origin: string;
  /** As the header `cookie` has them. */
  readonly header: string;
}

/** For one job. The cookies of the known balancers take some 300 bytes. */
const AFFINITY_BYTES_MAX = 1024;
/** An answer with more `set-cookie` headers is ignored. */
const SET_COOKIES_MAX = 20;

// RFC 6265, 4.1.1: a name and a value without white space, quotes, commas and semicolons.
const COOKIE =
  /^([!#$%&'*+.^\w`|~-]+)=("?[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"?)(?:\s*;|\s*$)/;
const IS_OVER = /;\s*max-age\s*=\s*(?:0|-\d+)\s*(?:;|$)/i;

/**
 * The cookies after an answer. Only an answer that shows that its server knows the job is learned from; one
 * that says the job is not there forgets them, so that the next request may reach another server.
 * @param patterns the definition's `affinity_cookies`
 */
export function affinityAfter(
  before: AffinityCookies | null,
  interpretation: Interpretation,
  answer: { readonly origin: string; readonly headers: ResponseHeaders },
  patterns: readonly string[],
): AffinityCookies | null {
  switch (interpretation.kind) {
    case "running":
    case "result_wanted":
      return learned(before, answer, patterns);
    case "absent":
      return null;
    case "retry":
      return interpretation.cause === "not_visible_yet" ? null : before;
    case "completed":
    case "failed":
    case "canceled":
    case "expired":
    case "credential_rejected":
      return before;
  }
}

/** The headers of a request to this origin with the cookies that are for it. */
export function withAffinity(
  headers: Readonly<Record<string, string>>,
  origin: string,
  affinity: AffinityCookies | null,
): Readonly<Record<string, string>> {
  if (affinity === null || affinity.origin !== origin) return headers;
  const own = headers["cookie"];
  return { ...headers, cookie: own === undefined ? affinity.header : `${own}; ${affinity.header}` };
}

function learned(
  before: AffinityCookies | null,
  { origin, headers }: { readonly origin: string; readonly headers: ResponseHeaders },
  patterns: readonly string[],
): AffinityCookies | null {
  const set = headers["set-cookie"];
  if (set === undefined) return before;
  const cookies = new Map(before?.origin === origin ? pairsOf(before.header) : []);
  const lines = typeof set === "string" ? [set] : set;
  for (const line of lines.slice(0, SET_COOKIES_MAX)) {
    const [, name, value = ""] = COOKIE.exec(line) ?? [];
    if (name === undefined || !patterns.some((pattern) => matches(pattern, name))) continue;
    if (value === "" || IS_OVER.test(line)) cookies.delete(name);
    else cookies.set(name, value);
  }
  const header = Array.from(cookies, ([name, value]) => `${name}=${value}`).join("; ");
  if (header === "") return null;
  // A part of them might keep the job at the wrong server.
  if (header.length > AFFINITY_BYTES_MAX) return null;
  return before?.origin === origin && before.header === header ? before : { origin, header };
}

function pairsOf(header: string): [name: string, value: string][] {
  return header.split("; ").map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
