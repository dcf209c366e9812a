/**
 * The signatures of Standard Webhooks: `v1` is an HMAC with a secret that both sides know, `v1a` an
 * ed25519 signature that everybody can verify and only the sender can make. The order fixes each
 * one's mask bit.
 */
export const SIGNATURE_SCHEMES = ["v1", "v1a"] as const;
export type SignatureScheme = (typeof SIGNATURE_SCHEMES)[number];

/** The default signatures. */
export const DEFAULT_SIGNATURES: readonly SignatureScheme[] = ["v1"];

export function signatureMask(schemes: readonly SignatureScheme[]): number {
  return schemes.reduce((mask, scheme) => mask | (1 << SIGNATURE_SCHEMES.indexOf(scheme)), 0);
}

const BY_MASK: readonly (readonly SignatureScheme[])[] = Array.from(
  { length: 1 << SIGNATURE_SCHEMES.length },
  (_, mask) => SIGNATURE_SCHEMES.filter((_scheme, bit) => (mask & (1 << bit)) !== 0),
);

/** One and the same list for equal masks. */
export function signaturesOfMask(mask: number): readonly SignatureScheme[] {
  return BY_MASK[mask] ?? DEFAULT_SIGNATURES;
}

/**
 * ed25519 keys as Standard Webhooks spells them: `whsk_` and the base64 of seed and public key
 * together, `whpk_` and the base64 of the public key alone.
 */
const SECRET_PREFIX = "whsk_";
const PUBLIC_PREFIX = "whpk_";
const HALF_BYTES = 32;

interface SigningKeyParts {
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

/**
 * A JSON Web Key (RFC 8037).
 * @param publicKey `whpk_…`
 */
export function jwkOfSigningKey(publicKey: string, kid: string) {
  const x = Buffer.from(publicKey.slice(PUBLIC_PREFIX.length), "base64").toString("base64url");
  return { kty: "OKP", crv: "Ed25519", use: "sig", alg: "EdDSA", kid, x } as const;
}
