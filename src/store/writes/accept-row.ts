import type { EventContent } from "../../core/delivery/event.ts";
import type { PayloadMode } from "../schema/schema.ts";
import type { SubscriptionRecord } from "../subscriptions/subscription-record.ts";

/** A client's request, validated and ready to be stored. */
export interface AcceptRequest {
  readonly projectId: string;
  readonly connectionId: string;
  readonly provider: string;
  /** The definition that a new job is polled by; null for the built-in one. */
  readonly providerVersionId: string | null;
  readonly jobId: string;
  readonly params: Readonly<Record<string, string>>;
  readonly callbackUrl: string;
  readonly callbackOrigin: string;
  /** Mask of the wanted events. */
  readonly events: number;
  readonly payload: PayloadMode;
  /** Raw JSON text. */
  readonly metadata: string;
  /** Seals the secrets of the subscription with this UUID; null without secrets. */
  readonly sealFor: ((subscriptionId: string) => SealedParts) | null;
  /** JSON array of seconds, or null for the project's. */
  readonly retrySchedule: string | null;
  /** The client's trace, or null. */
  readonly trace: string | null;
  /** Mask of the signature schemes, or null for the project's. */
  readonly signatures: number | null;
  /** How long the job may take, from now. */
  readonly deadlineMs: number;
  readonly idempotencyKey: string | null;
  /** Hash of the request that the key identifies; null without a key. */
  readonly requestHash: string | null;
  /** Hashes under which the same request may have been stored before. */
  readonly olderRequestHashes: readonly string[];
}

/** The sealed parts of a subscription. */
export interface SealedParts {
  /** Sealed JSON object of extra callback headers, or null. */
  readonly headers: string | null;
  /** Sealed `whsec_…`, or null to sign with the project's. */
  readonly secret: string | null;
}

export const NOTHING_SEALED: SealedParts = { headers: null, secret: null };

/** One row of an accept batch. Ids are made by the writer, so that a repeated batch is harmless. */
export interface AcceptRow extends Omit<AcceptRequest, "sealFor">, SealedParts {
  readonly shardId: number;
  readonly subscriptionId: string;
  /** Used when the job is new; otherwise the watched job keeps its own. */
  readonly jobRowId: string;
  readonly paramsText: string;
  readonly paramsDigest: string;
  /** Shard of the idempotency key; 0 without one. */
  readonly idempotencyShardId: number;
  readonly nowMs: number;
  /**
   * Id of a note to the owner of the shard, stored in the same transaction; null when this node
   * owns it.
   */
  readonly mailId: string | null;
}

/** A stored event with everything that its callbacks are made from. */
export interface OwedEvent extends EventContent {
  readonly id: string;
  readonly resultBytes: number;
}

export type AcceptedRow =
  | {
      readonly kind: "accepted";
      readonly subscription: SubscriptionRecord;
      readonly wantedEvents: number;
      /** Subscriptions made to the job, including this one and closed ones. */
      readonly subscriptionCount: number;
      /** The definition that the job is polled by, which may be an older one. */
      readonly providerVersionId: string | null;
      readonly processingAnnounced: boolean;
      /** For a job that had already ended: the delivery of its stored event. */
      readonly owedDeliveryId: string | null;
      /** The event of that delivery; null when its result is too large to include. */
      readonly owedEvent: OwedEvent | null;
    }
  /** The idempotency key was used before, perhaps by a row of the same batch. */
  | { readonly kind: "key_used" };
