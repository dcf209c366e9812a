/**
 * ed25519 keys as Standard Webhooks spells them: `whsk_` and the base64 of seed and public key
 * together, `whpk_` and the base64 of the public key alone.
 */
const SECRET_PREFIX = "whsk_";
const PUBLIC_PREFIX = "whpk_";
const HALF_BYTES = 32;

export interface SigningKeyParts {
  /** 32 bytes, the private half. */
  readonly seed: Buffer;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

export function secretSigningKey({ seed, publicKey }: SigningKeyParts): string {
  return SECRET_PREFIX + Buffer.concat([seed, publicKey]).toString("base64");
}

export function publicSigningKey({ publicKey }: Pick<SigningKeyParts, "publicKey">): string {
  return PUBLIC_PREFIX + publicKey.toString("base64");
}

/** The bytes of a `whsk_…` made by {@link secretSigningKey}. */
export function partsOfSigningKey(secret: string): SigningKeyParts {
  const bytes = Buffer.from(secret.slice(SECRET_PREFIX.length), "base64");
  return { seed: bytes.subarray(0, HALF_BYTES), publicKey: bytes.subarray(HALF_BYTES) };
}

/** A JSON Web Key (RFC 8037). */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly use: "sig";
  readonly alg: "EdDSA";
  readonly kid: string;
  readonly x: string;
}

/** @param publicKey `whpk_…` */
export function jwkOfSigningKey(publicKey: string, kid: string): PublicJwk {
  const x = Buffer.from(publicKey.slice(PUBLIC_PREFIX.length), "base64").toString("base64url");
  return { kty: "OKP", crv: "Ed25519", use: "sig", alg: "EdDSA", kid, x };
}
