import { z } from "@hono/zod-openapi";
import { apiKeyForm, hashApiKey } from "../../runtime/secrets/api-key.ts";
import type { KnownApiKey } from "../../store/projects/api-keys.ts";
import type { Scope } from "../../core/scopes.ts";
import { addressGroup } from "../request/client-address.ts";
import type { ApiMetrics, ApiServices, AuthenticationFailure } from "../services.ts";
import { refused } from "./problem.ts";
import type { Outcome, Refusal } from "../../core/problem.ts";
import type { LinkVerdict } from "../../runtime/secrets/result-links.ts";

/** The holder of an API key. */
export interface Caller {
  readonly keyId: string;
  readonly keyHash: string;
  readonly projectId: string;
  readonly scopes: readonly Scope[];
}

const KEY_CHARACTERS_MAX = 1024;
/** Keys of one address that may wait to be looked up. */
const LOOKUPS_MAX = 32;
/** The same for an address that has sent many refused keys. */
const LOOKUPS_WHEN_LIMITED_MAX = 4;

interface AuthenticatorServices extends Pick<ApiServices, "apiKeys" | "refusedKeys" | "clock"> {
  readonly metrics: Pick<ApiMetrics, "authenticationFailures">;
}

type ClientAddress = Pick<Client, "address">;

/** The client of a request. */
export interface Client {
  /** Address of the machine that sent it. */
  readonly address: string;
  /** True when it came from this machine itself, through no proxy. */
  readonly isLocal: boolean;
  /** For a request that has waited: null if its API key is still valid for the scope. */
  recheck(scope: Scope): Promise<Refusal | null>;
}

/**
 * Turns an `Authorization` header into a caller. A key in memory is judged at once. Otherwise
 * the checksum refuses most garbage, and the rest are looked up, since they may have been created a
 * moment ago. For an address that has sent many refused keys, only keys with a valid checksum are
 * looked up.
 */
export class Authenticator {
  readonly #services: AuthenticatorServices;

  constructor(services: AuthenticatorServices) {
    this.#services = services;
  }

  /**
   * Answers at once for a key in memory. Rejects when the database has to be asked and can't be.
   */
  authenticate(
    header: string | null,
    client: ClientAddress,
  ): Outcome<Caller> | Promise<Outcome<Caller>> {
    const key = bearerToken(header);
    if (key === null) {
      return header === null
        ? this.#refuse("missing", client, MISSING)
        : this.#refuse("malformed", client, MALFORMED);
    }
    return this.authenticateKey(key, client);
  }

  /** The same for a bare key, whose hash the caller may know. */
  authenticateKey(
    key: string,
    client: ClientAddress,
    keyHash = hashApiKey(key),
  ): Outcome<Caller> | Promise<Outcome<Caller>> {
    const known = this.#services.apiKeys.find(keyHash);
    if (known !== null) return this.#judge(known, client);
    const form = apiKeyForm(key);
    if (form === "malformed") return this.#refuse("malformed", client);
    if (this.#services.apiKeys.isUnknown(keyHash)) return this.#refuse("unknown", client);
    return this.#lookUp(keyHash, form, client);
  }

  /** The same for a session, which was begun with a valid key and keeps nothing but its hash. */
  authenticateHash(
    keyHash: string,
    client: ClientAddress,
  ): Outcome<Caller> | Promise<Outcome<Caller>> {
    const known = this.#services.apiKeys.find(keyHash);
    if (known !== null) return this.#judge(known, client);
    if (this.#services.apiKeys.isUnknown(keyHash)) return this.#refuse("unknown", client);
    return this.#lookUp(keyHash, "checked", client);
  }

  /** The same with some of the key's scopes. Null leaves it all. */
  async authenticateSession(
    keyHash: string,
    of: { readonly client: ClientAddress; readonly scopes: readonly Scope[] | null },
  ): Promise<Outcome<Caller>> {
    const { client, scopes } = of;
    const outcome = await this.authenticateHash(keyHash, client);
    if (!outcome.ok || scopes === null) return outcome;
    return { ok: true, value: withScopes(outcome.value, scopes) };
  }

  #lookUp(
    keyHash: string,
    form: "checked" | "unchecked",
    client: ClientAddress,
  ): Outcome<Caller> | Promise<Outcome<Caller>> {
    const { apiKeys, refusedKeys } = this.#services;
    const { address } = client;
    const isLimited = refusedKeys.isLimited(address);
    if (isLimited && form === "unchecked") return this.#refuse("unknown", client);
    const waitingMax = isLimited ? LOOKUPS_WHEN_LIMITED_MAX : LOOKUPS_MAX;
    const source = { name: addressGroup(address), address, waitingMax };
    const found = apiKeys.lookUp(keyHash, source);
    if (found === null) return this.#tooManyLookups();
    return found.then((key) =>
      key === null ? this.#refuse("unknown", client) : this.#judge(key, client),
    );
  }

  #judge(key: KnownApiKey, client: ClientAddress): Outcome<Caller> {
    if (key.revokedAtMs !== null) return this.#refuse("revoked", client);
    if (key.expiresAtMs !== null && key.expiresAtMs <= this.#services.clock.now()) {
      return this.#refuse("expired", client);
    }
    this.#services.apiKeys.used(key, client.address);
    const { id: keyId, keyHash, projectId, scopes } = key;
    return { ok: true, value: { keyId, keyHash, projectId, scopes } };
  }

  /** Counts what is refused by address, whether a key was sent or not: both cost the same. */
  #refuse(
    failure: AuthenticationFailure,
    { address }: ClientAddress,
    refusal: Refusal = UNKNOWN,
  ): Refusal {
    const waitMs = this.#services.refusedKeys.refuse(address);
    this.#services.metrics.authenticationFailures.add(waitMs === 0 ? failure : "limited");
    return waitMs === 0 ? refusal : tooManyRefused(waitMs);
  }

  #tooManyLookups(): Refusal {
    this.#services.metrics.authenticationFailures.add("limited");
    return TOO_MANY_LOOKUPS;
  }
}

export function tooManyRefused(waitMs: number): Refusal {
  return refused(
    "too_many_refused_keys",
    "Too many requests of this address had no valid API key; correct it, then try again. " +
      "Valid keys still work.",
    { headers: { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1000))) } },
  );
}

/** The caller with these scopes at most. */
function withScopes(caller: Caller, scopes: readonly Scope[]): Caller {
  return { ...caller, scopes: scopes.filter((scope) => scopeRefusal(caller, scope) === null) };
}

/** Null when the caller has the scope; `admin` includes all. */
export function scopeRefusal(caller: Caller, scope: Scope): Refusal | null {
  if (caller.scopes.includes(scope) || caller.scopes.includes("admin")) return null;
  return refused(
    "insufficient_scope",
    `This needs an API key with the scope ${scope}; yours has ${caller.scopes.join(", ") || "none"}.`,
    { headers: { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` } },
  );
}

/** The text after `Bearer`, or null. */
export function bearerToken(header: string | null): string | null {
  if (header === null || header.slice(0, 7).toLowerCase() !== "bearer ") return null;
  const token = header.slice(7).trim();
  return token === "" || token.length > KEY_CHARACTERS_MAX ? null : token;
}

export function unauthorized(detail: string, challenge: string): Refusal {
  return refused("unauthorized", detail, { headers: { "www-authenticate": challenge } });
}

/** A key that was created a moment ago is known on every node after that time. */
const TOO_MANY_LOOKUPS = refused(
  "too_many_refused_keys",
  "Too many unknown API keys are being checked; try again in a second. Keys that are in use still work.",
  { headers: { "retry-after": "1" } },
);
const MISSING = unauthorized(
  "Send an API key in the header Authorization: Bearer rb_…",
  'Bearer realm="ringback"',
);
const MALFORMED = unauthorized(
  "The Authorization header must read: Bearer rb_…",
  'Bearer realm="ringback", error="invalid_request"',
);
const UNKNOWN = unauthorized(
  "The API key is unknown, expired or revoked.",
  'Bearer realm="ringback", error="invalid_token"',
);

/** The query of a URL with a link token. */
export const linkQuery = z.strictObject({
  token: z.string().max(100).optional().openapi({
    description: "Replaces the API key: valid for this URL until it expires.",
  }),
});

/** An API key takes precedence: its holder may follow any link, however old. */
export function comesByLink(request: Request): boolean {
  return request.url.includes("token=") && !request.headers.has("authorization");
}

export function linkRefusal(verdict: Exclude<LinkVerdict, "valid">): Refusal {
  return verdict === "expired"
    ? refused(
        "link_expired",
        "This link has expired. Every attempt of a delivery brings a new one; or use an API key.",
      )
    : refused(
        "link_invalid",
        "The token does not belong to this URL; use the link unchanged, or an API key.",
      );
}
