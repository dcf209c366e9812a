import type { Clock } from "../runtime/clock.ts";
import { type RequestDeadline, withDeadline } from "../runtime/request-deadline.ts";
import { hashApiKey } from "../store/api-keys.ts";
import type { StoredApiKey } from "../store/api-keys.ts";
import type { Scope } from "../store/schema.ts";
import { refused } from "./problem.ts";
import type { Outcome, Refusal } from "./problem.ts";
import { overloaded } from "./unexpected-error.ts";

/** Whom an API key speaks for. */
export interface Caller {
  readonly keyId: string;
  readonly projectId: string;
  readonly scopes: readonly Scope[];
}

/** A revoked key works for at most this long on a node that has just seen it. */
const KNOWN_FOR_MS = 5_000;
/** A key that was refused and then created has to wait at most this long. */
const UNKNOWN_FOR_MS = 1_000;
const ENTRIES_MAX = 5_000;
/** Keys looked up at once; beyond it somebody is guessing, and the database is not for that. */
const LOOKUPS_MAX = 100;
const LOOKUP_DEADLINE_MS = 5_000;
const KEY_CHARACTERS_MAX = 1024;

interface Remembered {
  readonly key: StoredApiKey | null;
  readonly untilMs: number;
}

/** Asks the database, no longer than the deadline. */
type FindKey = (keyHash: string, deadline: RequestDeadline) => Promise<StoredApiKey | null>;

/**
 * Turns an `Authorization` header into a caller. What the database says about a key is remembered
 * by the key's hash for a few seconds, so that a busy caller is recognised without waiting.
 */
export class Authenticator {
  readonly #find: FindKey;
  readonly #clock: Clock;
  readonly #known = new Map<string, Remembered>();
  /** Apart from the known ones, which a flood of wrong keys must not push out. */
  readonly #unknown = new Map<string, Remembered>();
  readonly #lookups = new Map<string, Promise<StoredApiKey | null>>();

  constructor(options: { readonly find: FindKey; readonly clock: Clock }) {
    this.#find = options.find;
    this.#clock = options.clock;
  }

  /** At once for a key seen lately. Rejects when the database can't be asked. */
  authenticate(header: string | null): Outcome<Caller> | Promise<Outcome<Caller>> {
    const key = bearerToken(header);
    if (key === null) return header === null ? MISSING : MALFORMED;
    const keyHash = hashApiKey(key);
    const remembered = this.#recall(keyHash);
    if (remembered !== null) return this.#judge(remembered.key);
    return this.#lookUp(keyHash);
  }

  /** Forgets what was remembered of a key, since it has changed. */
  forget(keyHash: string): void {
    this.#known.delete(keyHash);
    this.#unknown.delete(keyHash);
  }

  #recall(keyHash: string): Remembered | null {
    const remembered = this.#known.get(keyHash) ?? this.#unknown.get(keyHash);
    if (remembered === undefined || remembered.untilMs <= this.#clock.monotonic()) return null;
    return remembered;
  }

  async #lookUp(keyHash: string): Promise<Outcome<Caller>> {
    let lookup = this.#lookups.get(keyHash);
    if (lookup === undefined) {
      if (this.#lookups.size >= LOOKUPS_MAX) return { ok: false, problem: overloaded() };
      lookup = this.#ask(keyHash).finally(() => this.#lookups.delete(keyHash));
      this.#lookups.set(keyHash, lookup);
    }
    return this.#judge(await lookup);
  }

  async #ask(keyHash: string): Promise<StoredApiKey | null> {
    // A deadline of its own, since several requests may wait for it.
    const key = await withDeadline(this.#clock, LOOKUP_DEADLINE_MS, (deadline) =>
      this.#find(keyHash, deadline),
    );
    const [entries, forMs] =
      key === null ? [this.#unknown, UNKNOWN_FOR_MS] : [this.#known, KNOWN_FOR_MS];
    this.forget(keyHash);
    for (const oldest of entries.keys()) {
      if (entries.size < ENTRIES_MAX) break;
      entries.delete(oldest);
    }
    entries.set(keyHash, { key, untilMs: this.#clock.monotonic() + forMs });
    return key;
  }

  #judge(key: StoredApiKey | null): Outcome<Caller> {
    if (key === null || key.revokedAtMs !== null) return UNKNOWN;
    if (key.expiresAtMs !== null && key.expiresAtMs <= this.#clock.now()) return UNKNOWN;
    return { ok: true, value: { keyId: key.id, projectId: key.projectId, scopes: key.scopes } };
  }
}

/** Null when the scope is held; `admin` holds all. */
export function scopeRefusal(caller: Caller, scope: Scope): Refusal | null {
  if (caller.scopes.includes(scope) || caller.scopes.includes("admin")) return null;
  return refused(
    "insufficient_scope",
    `This needs an API key with the scope ${scope}; yours has ${caller.scopes.join(", ") || "none"}.`,
    { headers: { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` } },
  );
}

function bearerToken(header: string | null): string | null {
  if (header === null || header.slice(0, 7).toLowerCase() !== "bearer ") return null;
  const token = header.slice(7).trim();
  return token === "" || token.length > KEY_CHARACTERS_MAX ? null : token;
}

function unauthorized(detail: string, challenge: string): Refusal {
  return refused("unauthorized", detail, { headers: { "www-authenticate": challenge } });
}

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
