import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
} from "node:crypto";

/** The columns that hold sealed texts. */
export type SealedColumnName =
  | "connections.credential"
  | "connections.environment"
  | "idempotent_answers.answer"
  | "signing_secrets.secret"
  | "subscriptions.headers"
  | "subscriptions.secret";

/** Sealed texts that are stored nowhere: browsers carry them. */
type SealedTokenName = "console.link" | "console.notice" | "console.session";

/**
 * Where a sealed text is kept. It opens nowhere else, so that it can't be moved to another place.
 */
export interface SealedPlace {
  readonly column: SealedColumnName | SealedTokenName;
  /** The row's UUID; empty for a token. */
  readonly id: string;
}

/** Encrypts secrets at rest. Sealed text carries the id of its key, so keys can be rotated. */
export interface SecretBox {
  seal(plain: string, place: SealedPlace): string;
  /**
   * @throws SecretBoxError when no key of the ring fits, the text was tampered with, or it was sealed
   * for another place
   */
  open(sealed: string, place: SealedPlace): string;
  /**
   * Names for a text that reveal nothing about it without the ring, one for each key of it; store
   * the first. Each purpose has separate names.
   */
  digests(purpose: string, text: string): readonly [string, ...string[]];
}

/** A secret box that names its keys, for retiring one. */
export interface SecretRing extends SecretBox {
  /** Every text sealed under the first key begins with this, and no other text does. */
  readonly sealingPrefix: string;
  /** The ids of the ring's keys as sealed texts carry them; the first one seals. */
  readonly keyIds: readonly string[];
}

export class SecretBoxError extends Error {
  override readonly name = "SecretBoxError";
}

/** Bound to its place. */
const BOUND = "v2";
/** From before texts were bound to their places: they open anywhere until they are sealed again. */
const UNBOUND = "v1";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DIGEST_KEY_BYTES = 32;

/**
 * AES-256-GCM over a ring of keys: the first seals, all open.
 * Format: `v2.<key id>.<base64url of nonce, tag, ciphertext>`; the prefix and the place are
 * authenticated too. In `v1`, which is still read, only the prefix is.
 * @param keys 32 bytes each, at least one
 */
export function createSecretBox(keys: readonly Buffer[]): SecretRing {
  const ring = new Map(keys.map((key) => [keyId(key), key]));
  const [sealing] = keys;
  if (sealing === undefined) throw new SecretBoxError("The key ring is empty.");
  const sealingId = keyId(sealing);
  return {
    sealingPrefix: `${BOUND}.${sealingId}.`,
    keyIds: [...ring.keys()],
    digests(purpose, text) {
      const digestBy = (key: Buffer): string => digestUnder(key, purpose, text);
      const [, ...others] = ring.values();
      return [digestBy(sealing), ...others.map(digestBy)];
    },
    seal(plain, place) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", sealing, nonce);
      cipher.setAAD(authenticated(BOUND, sealingId, place));
      const body = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      const bytes = Buffer.concat([nonce, cipher.getAuthTag(), body]);
      return `${BOUND}.${sealingId}.${bytes.toString("base64url")}`;
    },
    open(sealed, place) {
      const [version = "", id = "", payload] = sealed.split(".");
      const key = ring.get(id);
      if ((version !== BOUND && version !== UNBOUND) || payload === undefined)
        throw new SecretBoxError("This is not a sealed secret.");
      if (key === undefined) {
        throw new SecretBoxError(
          `No key of RINGBACK_ENCRYPTION_KEYS has the id ${id}; add the key this secret was sealed with. ` +
            "Without that setting, the only key is the one in encryption.key of DATA_DIR.",
        );
      }
      const bytes = Buffer.from(payload, "base64url");
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        });
        decipher.setAAD(authenticated(version, id, place));
        decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
        const body = bytes.subarray(NONCE_BYTES + TAG_BYTES);
        return Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8");
      } catch (error) {
        throw new SecretBoxError(
          "A sealed secret was altered or cut short, or belongs to another row.",
          { cause: error },
        );
      }
    },
  };
}

/** The additional data of a sealed text. */
function authenticated(version: string, id: string, place: SealedPlace): Buffer {
  const prefix = `${version}.${id}`;
  return Buffer.from(version === UNBOUND ? prefix : `${prefix}.${place.column}/${place.id}`);
}

/** Names a key without revealing anything useful about it. */
function keyId(key: Buffer): string {
  return createHash("sha256").update("ringback key id").update(key).digest("hex").slice(0, 8);
}

/** Uses a derived key: a key that names texts never encrypts. */
function digestUnder(key: Buffer, purpose: string, text: string): string {
  const derived = Buffer.from(hkdfSync("sha256", key, "", `ringback ${purpose}`, DIGEST_KEY_BYTES));
  return `h1.${createHmac("sha256", derived).update(text).digest("base64url")}`;
}
