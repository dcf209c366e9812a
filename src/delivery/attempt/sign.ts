import { createHmac, createPrivateKey, type KeyObject, sign } from "node:crypto";
import { partsOfSigningKey, type SignatureScheme } from "../../core/signing.ts";

/** A secret ready to sign with. */
export type SigningKey =
  | { readonly scheme: "v1"; readonly key: Buffer }
  | { readonly scheme: "v1a"; readonly key: KeyObject };

/** @param secret `whsec_…` for `v1`, `whsk_…` for `v1a` */
export function signingKey(scheme: SignatureScheme, secret: string): SigningKey {
  switch (scheme) {
    case "v1":
      return { scheme, key: Buffer.from(secret.replace(/^whsec_/, ""), "base64") };
    case "v1a": {
      const { seed, publicKey } = partsOfSigningKey(secret);
      const [d, x] = [seed.toString("base64url"), publicKey.toString("base64url")];
      const jwk = { kty: "OKP", crv: "Ed25519", d, x };
      return { scheme, key: createPrivateKey({ key: jwk, format: "jwk" }) };
    }
  }
}

/**
 * The `webhook-signature` header after Standard Webhooks 1.0: for each key its scheme and the base64
 * of its signature over `id.timestamp.body`, separated by spaces, so that during a rotation a
 * receiver with either key verifies.
 * @param timestampS Unix seconds of this attempt
 */
export function signCallback(
  keys: readonly SigningKey[],
  webhookId: string,
  timestampS: number,
  body: string,
): string {
  const signed = `${webhookId}.${timestampS}.${body}`;
  return keys.map((key) => `${key.scheme},${signature(key, signed)}`).join(" ");
}

function signature({ scheme, key }: SigningKey, signed: string): string {
  switch (scheme) {
    case "v1":
      return createHmac("sha256", key).update(signed).digest("base64");
    case "v1a":
      return sign(null, Buffer.from(signed), key).toString("base64");
  }
}
