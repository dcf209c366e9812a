import {
  type PendingDelivery,
  pendingDelivery,
} from "../../src/delivery/outbox/pending-delivery.ts";
import type { OwedDelivery } from "../../src/store/writes/record-events.ts";
import { PROJECT_ID, uuids } from "../support/rows.ts";

export const ORIGIN = "https://receiver.test";

/** A callback in memory that is due now, of a delivery that exists nowhere else. */
export function owed(
  nowMs: number,
  changes: Partial<OwedDelivery> & { readonly result?: string } = {},
): PendingDelivery {
  const { result = '{"answer":42}', ...overrides } = changes;
  const shardId = overrides.shardId ?? 7;
  const origin = overrides.callbackOrigin ?? ORIGIN;
  return pendingDelivery(
    {
      wasTooLarge: false,
      resultBytes: result.length,
      delivery: {
        id: uuids(nowMs, shardId),
        shardId,
        projectId: PROJECT_ID,
        subscriptionId: uuids(nowMs, shardId),
        eventId: uuids(nowMs, shardId),
        callbackUrl: `${origin}/hook`,
        callbackOrigin: origin,
        payload: "full",
        metadata: "{}",
        headers: null,
        secret: null,
        retrySchedule: null,
        trace: null,
        signatures: null,
        wantsProgress: false,
        attemptCount: 0,
        fetchResult: false,
        attemptsBefore: 0,
        nextAttemptAtMs: nowMs,
        ...overrides,
      },
      event: {
        type: "job.completed",
        occurredAtMs: nowMs,
        jobId: "job-1",
        provider: "pulse",
        createdAt: null,
        updatedAt: null,
        error: null,
        result,
        progress: null,
        resultFetch: null,
      },
    },
    Infinity,
  );
}
