import { Webhook, WebhookVerificationError } from "standardwebhooks";

interface InboxLimits {
  readonly callbacksMax: number;
  readonly charactersMax: number;
  /** How many webhook-ids it counts deliveries of. */
  readonly webhookIdsMax: number;
}

const INBOX_LIMITS: InboxLimits = {
  callbacksMax: 100,
  charactersMax: 16 * 1024 * 1024,
  webhookIdsMax: 10_000,
};

/** One request that came in. */
export interface Callback {
  /** Null for the inbox without a name. */
  readonly inbox: string | null;
  readonly receivedAtMs: number;
  readonly webhookId: string | null;
  /** Which verified request with this webhook-id it is, from 1; 0 when not verified. */
  readonly delivery: number;
  readonly verdict: CallbackVerdict;
  /** The status it was answered with. */
  readonly answered: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The callbacks received last, in memory; the oldest make room. */
export class SandboxInbox {
  readonly #limits: InboxLimits;
  #callbacks: Callback[] = [];
  #characters = 0;
  readonly #deliveries = new Map<string, number>();

  constructor(limits: InboxLimits = INBOX_LIMITS) {
    this.#limits = limits;
  }

  /** Counts a verified request; which one with this webhook-id it is, from 1. */
  countDelivery(webhookId: string): number {
    const delivery = (this.#deliveries.get(webhookId) ?? 0) + 1;
    // Deleting first moves the id to the end: the ids not seen for longest are forgotten.
    this.#deliveries.delete(webhookId);
    this.#deliveries.set(webhookId, delivery);
    if (this.#deliveries.size > this.#limits.webhookIdsMax) {
      const [oldest] = this.#deliveries.keys();
      if (oldest !== undefined) this.#deliveries.delete(oldest);
    }
    return delivery;
  }

  add(callback: Callback): void {
    this.#callbacks.push(callback);
    this.#characters += sizeOf(callback);
    while (this.#isOver()) {
      const oldest = this.#callbacks.shift();
      this.#characters -= oldest === undefined ? 0 : sizeOf(oldest);
    }
  }

  /** Newest first; of one inbox, or of all when `name` is null. */
  list(name: string | null): readonly Callback[] {
    return this.#callbacks.toReversed().filter(({ inbox }) => name === null || inbox === name);
  }

  /** Forgets everything, the counts of deliveries too. */
  clear(): void {
    this.#callbacks = [];
    this.#characters = 0;
    this.#deliveries.clear();
  }

  #isOver(): boolean {
    const { callbacksMax, charactersMax } = this.#limits;
    return this.#callbacks.length > callbacksMax || this.#characters > charactersMax;
  }
}

function sizeOf({ headers, body }: Callback): number {
  return (
    body.length + Object.entries(headers).reduce((sum, [k, v]) => sum + k.length + v.length, 0)
  );
}

type CallbackVerdict =
  | { readonly verified: true }
  | { readonly verified: false; readonly reason: string };

/**
 * Checks a callback the way receivers do, with the public Standard Webhooks library: the signature
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
