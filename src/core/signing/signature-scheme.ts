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
