import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { publicSigningKey, secretSigningKey } from "../../core/signing.ts";

const SECRET_BYTES = 32;

/** A new secret that both sides know, as `whsec_…`. */
export function newSigningSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString("base64")}`;
}

/** A new ed25519 key pair, as `whsk_…` and `whpk_…`. */
export function newSigningKeyPair(): { readonly secret: string; readonly publicKey: string } {
  const { d = "", x = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const parts = { seed: Buffer.from(d, "base64url"), publicKey: Buffer.from(x, "base64url") };
  return { secret: secretSigningKey(parts), publicKey: publicSigningKey(parts) };
}

/** An ed25519 private key in PKCS #8 is this and its seed (RFC 8410, 7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * The public half of the key pair of a seed, as `whpk_…`.
 * @param seed 32 bytes
 */
export function publicSigningKeyOfSeed(seed: Buffer): string {
  const key = Buffer.concat([PKCS8_PREFIX, seed]);
  const { x = "" } = createPublicKey(
    createPrivateKey({ key, format: "der", type: "pkcs8" }),
  ).export({ format: "jwk" });
  return publicSigningKey({ publicKey: Buffer.from(x, "base64url") });
}
