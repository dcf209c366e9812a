import type { OutboundRequest } from "../../outbound/exchange/request-outcome.ts";
import { signCallback, type SigningKey } from "./sign.ts";

export interface SignedPost {
  readonly projectId: string;
  readonly url: string;
  /** Besides those of the message and its signature, which come first. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
  readonly webhookId: string;
  /** To sign with, newest first. */
  readonly keys: readonly SigningKey[];
  /** When it is sent, in epoch milliseconds. */
  readonly nowMs: number;
  readonly userAgent: string;
  readonly timeoutMs: number;
  /** At most this much of the answer is read. */
  readonly responseBytesMax: number;
}

/** The parts of a Standard Webhooks 1.0 message. */
type SignedContent = Pick<
  SignedPost,
  "headers" | "body" | "webhookId" | "keys" | "nowMs" | "userAgent"
>;

/** Its headers. Without a key to sign with there is no signature. */
export function signedHeaders(message: SignedContent): Readonly<Record<string, string>> {
  const { webhookId, body, keys } = message;
  const timestampS = Math.floor(message.nowMs / 1000);
  return {
    ...message.headers,
    "content-type": "application/json",
    "user-agent": message.userAgent,
    "webhook-id": webhookId,
    "webhook-timestamp": String(timestampS),
    ...(keys.length > 0 && {
      "webhook-signature": signCallback(keys, webhookId, timestampS, body),
    }),
  };
}

/** A POST after Standard Webhooks 1.0. */
export function signedPost(post: SignedPost): OutboundRequest {
  const url = new URL(post.url);
  return {
    projectId: post.projectId,
    method: "POST",
    origin: url.origin,
    path: url.pathname + url.search,
    headers: signedHeaders(post),
    body: post.body,
    // The receiver knows a repeated one by its id, and its status says whether it has taken it.
    mayRepeat: true,
    statusSuffices: true,
    timeoutMs: post.timeoutMs,
    responseBytesMax: post.responseBytesMax,
    whenLarger: "truncate",
  };
}
