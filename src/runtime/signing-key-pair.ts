import { generateKeyPairSync } from "node:crypto";
import { publicSigningKey, secretSigningKey } from "../core/signing-key.ts";

/** A new ed25519 key pair, as `whsk_…` and `whpk_…`. */
export function newSigningKeyPair(): { readonly secret: string; readonly publicKey: string } {
  const { d = "", x = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const parts = { seed: Buffer.from(d, "base64url"), publicKey: Buffer.from(x, "base64url") };
  return { secret: secretSigningKey(parts), publicKey: publicSigningKey(parts) };
}
