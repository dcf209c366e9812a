import { publicId } from "../../core/ids/ids.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { LoadedDelivery } from "../../store/deliveries/load-deliveries.ts";
import { pendingDelivery } from "../outbox/pending-delivery.ts";
import {
  bodyOf,
  type DelivererOptions,
  openSecrets,
  type SecretOptions,
  traceOf,
} from "./deliverer.ts";
import { signedHeaders } from "./post.ts";

/** A callback that its client fetches, instead of one that is sent. */
export interface SignedMessage {
  readonly webhookId: string;
  /** Those that the callback would have. */
  readonly headers: Readonly<Record<string, string>>;
  /** The exact text that is signed. */
  readonly body: string;
}

export interface MessageOptions
  extends SecretOptions, Pick<DelivererOptions, "resultLinks" | "userAgent"> {
  /** Results above this go by reference. */
  readonly inlineResultBytesMax: number;
}

/**
 * Makes a message exactly as its callback is made, signed as of now: it may be passed on, and
 * verifies. One whose secret can't be read is given without a signature, since it would hold up all
 * behind it; nothing that verifies takes it for a good one.
 */
export async function signedMessage(
  { clock, log }: Pick<Runtime, "clock" | "log">,
  options: MessageOptions,
  loaded: LoadedDelivery,
): Promise<SignedMessage> {
  const nowMs = clock.now();
  const callback = pendingDelivery(loaded, options.inlineResultBytesMax);
  const secrets = await openSecrets(options, callback);
  const webhookId = publicId("delivery", loaded.delivery.id);
  const isSigned = !("reason" in secrets);
  if (!isSigned) {
    const { reason, message } = secrets;
    log.warn({ delivery_id: webhookId, reason, message }, "a message can't be signed");
  }
  const body = bodyOf(options, callback, nowMs);
  const headers = signedHeaders({
    headers: { ...(isSigned && secrets.headers), ...traceOf(callback) },
    body,
    webhookId,
    keys: isSigned ? secrets.keys : [],
    nowMs,
    userAgent: options.userAgent,
  });
  return { webhookId, headers, body };
}
