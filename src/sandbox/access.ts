import { isIP } from "node:net";
import type { Context, MiddlewareHandler } from "hono";
import { hashApiKey } from "../runtime/secrets/api-key.ts";
import type { Clock } from "../runtime/clock.ts";
import type { KnownApiKey } from "../store/projects/api-keys.ts";

/** Whether a request may change what the sandbox holds, by its `Authorization` header. */
export type MayChange = (authorization: string | null) => Promise<boolean>;

type ProblemStatus = 400 | 401 | 403 | 413 | 421;

const TITLES: Readonly<Record<ProblemStatus, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  413: "Content Too Large",
  421: "Misdirected Request",
};

const READING_METHODS = new Set(["GET", "HEAD"]);
const OWN_SITES = new Set(["same-origin", "none"]);

/** RFC 9457, with the gateway's code where the client of the gateway may meet it. */
export function problem(
  c: Context,
  status: ProblemStatus,
  detail: string,
  title = TITLES[status],
): Response {
  const code = status === 401 ? "unauthorized" : undefined;
  const body = { type: "about:blank", title, status, detail, code };
  return c.json(body, status, { "content-type": "application/problem+json" });
}

/**
 * Keeps out what a web page elsewhere could have a browser of this machine do: requests under a name
 * that leads here only because its owner says so (DNS rebinding), and changes that a page of another
 * origin sends. An address as host is safe: a page can have that origin only if it comes from here.
 * @param hosts names, in lower case, that are the gateway's own
 */
export function refuseOtherSites(hosts: ReadonlySet<string>): MiddlewareHandler {
  return async (c, next) => {
    const { hostname, host } = new URL(c.req.url);
    if (!hosts.has(hostname) && isIP(hostname.replace(/^\[(.*)\]$/, "$1")) === 0) {
      return problem(c, 421, `The sandbox is not served as ${hostname}: use its address instead.`);
    }
    if (!READING_METHODS.has(c.req.method) && !comesFrom(host, c)) {
      return problem(c, 403, "A page of another origin may not change anything in the sandbox.");
    }
    return next();
  };
}

/** Browsers name the origin of every request that may change something; programs name none. */
function comesFrom(host: string, c: Context): boolean {
  const site = c.req.header("sec-fetch-site");
  if (site !== undefined && !OWN_SITES.has(site)) return false;
  const origin = c.req.header("origin");
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
}

/** Lets only requests with an API key of the gateway through. */
export function requireKey(mayChange: MayChange): MiddlewareHandler {
  return async (c, next) => {
    if (await mayChange(c.req.header("authorization") ?? null)) return next();
    c.header("www-authenticate", 'Bearer realm="ringback"');
    return problem(c, 401, NEEDS_KEY);
  };
}

const NEEDS_KEY =
  "Changes in the sandbox need an API key with the scope subscriptions:write, in the header " +
  "Authorization: Bearer rb_…";

const KEY_CHARACTERS_MAX = 1024;
/** A few keys may wait to be looked up at once. */
const SOURCE = { name: "sandbox", address: "sandbox", waitingMax: 4 };

/** The keys that this node knows. */
export interface KeySource {
  find(keyHash: string): KnownApiKey | null;
  isUnknown(keyHash: string): boolean;
  /** Null when too many wait. */
  lookUp(
    keyHash: string,
    source: { readonly name: string; readonly address: string; readonly waitingMax: number },
  ): Promise<KnownApiKey | null> | null;
}

/** Takes the keys that may subscribe, as the API does. */
export function keyCheck(keys: KeySource, clock: Clock): MayChange {
  return async (authorization) => {
    const [, text = ""] = /^bearer +(\S+)$/i.exec(authorization ?? "") ?? [];
    if (text === "" || text.length > KEY_CHARACTERS_MAX) return false;
    const keyHash = hashApiKey(text);
    if (keys.isUnknown(keyHash)) return false;
    const key = keys.find(keyHash) ?? (await keys.lookUp(keyHash, SOURCE));
    if (key === null || key.revokedAtMs !== null) return false;
    if (key.expiresAtMs !== null && key.expiresAtMs <= clock.now()) return false;
    return key.scopes.includes("subscriptions:write") || key.scopes.includes("admin");
  };
}
