import { Webhook, WebhookVerificationError } from "standardwebhooks";

export type CallbackVerdict =
  | { readonly verified: true }
  | { readonly verified: false; readonly reason: string };

/**
 * Checks a callback as any receiver would, with the public Standard Webhooks library: the signature
 * of one of the secrets, and a timestamp at most five minutes off (by the machine's clock).
 * @param headers by lower-case name
 */
export function verifyCallback(
  body: string,
  headers: Readonly<Record<string, string>>,
  secrets: readonly string[],
): CallbackVerdict {
  let reason = "This gateway has no signing secret.";
  for (const secret of secrets) {
    const refusal = refusalBy(secret, body, headers);
    if (refusal === null) return { verified: true };
    reason = refusal;
  }
  return { verified: false, reason };
}

function refusalBy(
  secret: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): string | null {
  try {
    new Webhook(secret).verify(body, headers, { jsonParse: false });
    return null;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return error.message;
    throw error;
  }
}
