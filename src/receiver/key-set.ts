import { readBounded } from "./bounded-body.ts";
import { noAnswerOf } from "./no-answer.ts";

/** The key set could not be fetched, and there is none that is new enough. */
export class KeySetUnavailableError extends Error {
  override readonly name = "KeySetUnavailableError";
}

export interface KeySetOptions {
  /** `…/v1/signing-keys/jwks` of the gateway, with `?project=` for another than the default one. */
  readonly url: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly now: () => number;
}

/** A new key signs along with the one before it, so a copy may be some minutes old. */
const FRESH_MS = 300_000;
/** While the gateway can't be reached. */
const STALE_MS_MAX = 3_600_000;
/** After a signature that no key verifies: a key may have been replaced at once. */
const REFETCH_MS_MIN = 30_000;
/** After a fetch that failed: forged requests must not become requests to the gateway. */
const RETRY_MS_MIN = 5_000;
const FETCH_MS_MAX = 5_000;
const BYTES_MAX = 64 * 1024;
const KEYS_MAX = 10;

/** The gateway's public keys, fetched when they are needed and kept for some minutes. */
export class KeySet {
  readonly #options: KeySetOptions;
  #keys: readonly CryptoKey[] = [];
  #fetchedAt = -Infinity;
  #failedAt = -Infinity;
  #fetching: Promise<void> | null = null;

  constructor(options: KeySetOptions) {
    this.#options = options;
  }

  /**
   * Whether one of the signatures is by one of the keys.
   * @throws {KeySetUnavailableError}
   */
  async verifies(
    signed: Uint8Array<ArrayBuffer>,
    signatures: readonly Uint8Array<ArrayBuffer>[],
  ): Promise<boolean> {
    if (signatures.length === 0) return false;
    if (this.#age() >= FRESH_MS) await this.#refresh();
    if (await this.#isSigned(signed, signatures)) return true;
    if (this.#age() < REFETCH_MS_MIN) return false;
    await this.#refresh();
    return this.#isSigned(signed, signatures);
  }

  async #isSigned(
    signed: Uint8Array<ArrayBuffer>,
    signatures: readonly Uint8Array<ArrayBuffer>[],
  ): Promise<boolean> {
    for (const key of this.#keys) {
      for (const signature of signatures) {
        if (await crypto.subtle.verify("Ed25519", key, signature, signed)) return true;
      }
    }
    return false;
  }

  #age(): number {
    return this.#options.now() - this.#fetchedAt;
  }

  async #refresh(): Promise<void> {
    const { now, url } = this.#options;
    try {
      if (now() - this.#failedAt < RETRY_MS_MIN) throw new Error("It failed a moment ago.");
      this.#fetching ??= this.#fetch().finally(() => {
        this.#fetching = null;
      });
      await this.#fetching;
    } catch (cause) {
      if (now() - this.#failedAt >= RETRY_MS_MIN) this.#failedAt = now();
      if (this.#age() < STALE_MS_MAX) return;
      const reason = noAnswerOf(cause).text || (cause instanceof Error ? cause.message : "");
      const message = `The signing keys could not be fetched from ${url}: ${reason}`;
      throw new KeySetUnavailableError(message, { cause });
    }
  }

  async #fetch(): Promise<void> {
    const { fetch, url, now } = this.#options;
    const signal = AbortSignal.timeout(FETCH_MS_MAX);
    const answer = await fetch(url, { redirect: "manual", signal });
    if (answer.status !== 200) {
      await answer.body?.cancel();
      throw new Error(`It answered ${answer.status}.`);
    }
    const text = new TextDecoder().decode(await readBounded(answer, BYTES_MAX));
    this.#keys = await Promise.all(publicKeysIn(JSON.parse(text)).map(importKey));
    this.#fetchedAt = now();
  }
}

interface PublicKey {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
}

/** The ed25519 keys of a JSON Web Key Set; keys of other kinds are left out. */
function publicKeysIn(set: unknown): readonly PublicKey[] {
  const keys = typeof set === "object" && set !== null && "keys" in set ? set.keys : null;
  if (!Array.isArray(keys)) throw new Error("It is not a JSON Web Key Set.");
  return keys.filter(isPublicKey).slice(0, KEYS_MAX);
}

function isPublicKey(value: unknown): value is PublicKey {
  if (typeof value !== "object" || value === null) return false;
  const { kty, crv, x } = value as Partial<Record<string, unknown>>;
  return kty === "OKP" && crv === "Ed25519" && typeof x === "string";
}

function importKey({ kty, crv, x }: PublicKey): Promise<CryptoKey> {
  return crypto.subtle.importKey("jwk", { kty, crv, x }, "Ed25519", false, ["verify"]);
}
