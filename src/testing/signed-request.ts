import { Webhook } from "standardwebhooks";

export interface SignedRequestOptions {
  /** The `webhook-id`; equal ones are one callback. A new one unless given. */
  readonly id?: string;
  /** When it is signed, Unix time in milliseconds; now unless given. */
  readonly nowMs?: number;
  /** Where it goes. */
  readonly url?: string;
  /** The subscription's own headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A callback as a gateway sends it, to give to a receiver in a test.
 * @param event the body's text, such as `eventFixture("job.completed")`; anything else is written as JSON
 * @param secret `whsec_…`, as the receiver has it
 */
export function signedRequest(
  event: string | object,
  secret: string,
  options: SignedRequestOptions = {},
): Request {
  const {
    id = `msg_${crypto.randomUUID()}`,
    nowMs = Date.now(),
    url = "https://app.example.com/hook",
  } = options;
  const body = typeof event === "string" ? event : JSON.stringify(event);
  return new Request(url, {
    method: "POST",
    headers: {
      ...options.headers,
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(nowMs / 1000)),
      "webhook-signature": new Webhook(secret).sign(id, new Date(nowMs), body),
    },
    body,
  });
}
