import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
} from "node:crypto";

/** Encrypts secrets at rest. Sealed text carries the id of its key, so keys can be rotated. */
export interface SecretBox {
  seal(plain: string): string;
  /** @throws SecretBoxError when no key of the ring fits or the text was tampered with */
  open(sealed: string): string;
  /**
   * Names for a text that tell nothing about it without the ring, one for each key of it; the first
   * is what to store. Each purpose has names of its own.
   */
  digests(purpose: string, text: string): readonly [string, ...string[]];
}

/** A secret box that names its keys, for those who retire one. */
export interface SecretRing extends SecretBox {
  /** Every text sealed under the first key begins with this, and no other text does. */
  readonly sealingPrefix: string;
  /** The ids of the ring's keys as sealed texts carry them; the first one seals. */
  readonly keyIds: readonly string[];
}

export class SecretBoxError extends Error {
  override readonly name = "SecretBoxError";
}

const VERSION = "v1";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DIGEST_KEY_BYTES = 32;

/**
 * AES-256-GCM over a ring of keys: the first seals, all open.
 * Format: `v1.<key id>.<base64url of nonce, tag, ciphertext>`; the prefix is authenticated too.
 * @param keys 32 bytes each, at least one
 */
export function createSecretBox(keys: readonly Buffer[]): SecretRing {
  const ring = new Map(keys.map((key) => [keyId(key), key]));
  const [sealing] = keys;
  if (sealing === undefined) throw new SecretBoxError("The key ring is empty.");
  const sealingPrefix = `${VERSION}.${keyId(sealing)}`;
  return {
    sealingPrefix: `${sealingPrefix}.`,
    keyIds: [...ring.keys()],
    digests(purpose, text) {
      const digestBy = (key: Buffer): string => digestUnder(key, purpose, text);
      const [, ...others] = ring.values();
      return [digestBy(sealing), ...others.map(digestBy)];
    },
    seal(plain) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", sealing, nonce);
      cipher.setAAD(Buffer.from(sealingPrefix));
      const body = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      return `${sealingPrefix}.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64url")}`;
    },
    open(sealed) {
      const [version, id, payload] = sealed.split(".");
      const key = ring.get(id ?? "");
      if (version !== VERSION || payload === undefined)
        throw new SecretBoxError("This is not a sealed secret.");
      if (key === undefined) {
        throw new SecretBoxError(
          `No key of RINGBACK_ENCRYPTION_KEYS has the id ${id}; add the key this secret was sealed with.`,
        );
      }
      const bytes = Buffer.from(payload, "base64url");
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        });
        decipher.setAAD(Buffer.from(`${VERSION}.${id}`));
        decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
        const body = bytes.subarray(NONCE_BYTES + TAG_BYTES);
        return Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8");
      } catch (error) {
        throw new SecretBoxError("A sealed secret was altered or cut short.", { cause: error });
      }
    },
  };
}

/** Names a key without telling anything useful about it. */
function keyId(key: Buffer): string {
  return createHash("sha256").update("ringback key id").update(key).digest("hex").slice(0, 8);
}

/** Under a key of its own: what names a text never encrypts. */
function digestUnder(key: Buffer, purpose: string, text: string): string {
  const derived = Buffer.from(hkdfSync("sha256", key, "", `ringback ${purpose}`, DIGEST_KEY_BYTES));
  return `h1.${createHmac("sha256", derived).update(text).digest("base64url")}`;
}
