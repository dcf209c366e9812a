import { hash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * API keys. A new one reads `rb_k2_`, 43 base62 digits of 256 random bits, and 6 base62 digits of
 * the CRC-32 of everything before them, so that text that was never a key is refused without asking
 * the database, and secret scanners recognize keys. Older ones have no checksum: `rb_` and 43
 * digits of base64url, or any text that an operator chose.
 */
const PREFIX = "rb_";
const CHECKED_PREFIX = "rb_k2_";
const RANDOM_BYTES = 32;
const RANDOM_DIGITS = 43;
const CHECKSUM_DIGITS = 6;
const CHECKED_LENGTH = CHECKED_PREFIX.length + RANDOM_DIGITS + CHECKSUM_DIGITS;
/** Older generated keys have this length; one in 262,144 of them begins like a newer one. */
const UNCHECKED_LENGTH = PREFIX.length + 43;
/** The shortest key that an operator could ever choose. */
const LENGTH_MIN = 7;
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A new key with its checksum. */
export function newApiKey(): string {
  const random = BigInt(`0x${randomBytes(RANDOM_BYTES).toString("hex")}`);
  const unchecked = CHECKED_PREFIX + base62(random, RANDOM_DIGITS);
  return unchecked + checksumOf(unchecked);
}

/**
 * `checked`: has a valid checksum. `unchecked`: may be a key from before there were checksums.
 * `malformed`: was never a key.
 */
type ApiKeyForm = "checked" | "unchecked" | "malformed";

export function apiKeyForm(key: string): ApiKeyForm {
  if (!key.startsWith(PREFIX) || key.length < LENGTH_MIN) return "malformed";
  if (!key.startsWith(CHECKED_PREFIX) || key.length === UNCHECKED_LENGTH) return "unchecked";
  const isIntact =
    key.length === CHECKED_LENGTH &&
    checksumOf(key.slice(0, -CHECKSUM_DIGITS)) === key.slice(-CHECKSUM_DIGITS);
  return isIntact ? "checked" : "malformed";
}

/** The stored form of a key. Keys have so much randomness that a plain hash can't be reversed. */
export function hashApiKey(key: string): string {
  return hash("sha256", key, "hex");
}

function checksumOf(text: string): string {
  return base62(BigInt(crc32(text)), CHECKSUM_DIGITS);
}

function base62(value: bigint, digits: number): string {
  let text = "";
  for (let rest = value; text.length < digits; rest /= 62n)
    text = BASE62[Number(rest % 62n)] + text;
  return text;
}
