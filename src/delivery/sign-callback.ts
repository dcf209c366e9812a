import { createHmac } from "node:crypto";

/** The bytes that a `whsec_…` secret stands for. */
export function secretKey(secret: string): Buffer {
  return Buffer.from(secret.replace(/^whsec_/, ""), "base64");
}

/**
 * The `webhook-signature` header after Standard Webhooks 1.0: for each key `v1,` and the base64
 * HMAC-SHA256 over `id.timestamp.body`, separated by spaces, so that during a rotation a receiver
 * with either secret verifies.
 * @param timestampS Unix seconds of this attempt
 */
export function signCallback(
  keys: readonly Buffer[],
  webhookId: string,
  timestampS: number,
  body: string,
): string {
  const signed = `${webhookId}.${timestampS}.${body}`;
  return keys
    .map((key) => `v1,${createHmac("sha256", key).update(signed).digest("base64")}`)
    .join(" ");
}
