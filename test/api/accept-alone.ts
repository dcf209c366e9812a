import type { AcceptOutcome } from "../../src/intake/acceptor.ts";
import { shardOfJob, shardOfText } from "../../src/core/ids/ids.ts";
import {
  type AcceptRequest,
  type AcceptRow,
  acceptSubscriptions,
  NOTHING_SEALED,
} from "../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../src/store/db/database.ts";
import { findIdempotencyKey } from "../../src/store/subscriptions/find-idempotency-key.ts";

/** Stores a subscription as the engine does, without batches and without handing it over. */
export async function acceptAlone(
  {
    database,
    uuid,
    nowMs,
  }: {
    readonly database: Database;
    readonly uuid: (shard: number) => string;
    readonly nowMs: number;
  },
  request: AcceptRequest,
): Promise<AcceptOutcome> {
  const shardId = shardOfJob(request.connectionId, request.jobId);
  const paramsText = JSON.stringify(request.params);
  const { projectId, idempotencyKey } = request;
  const keyShardId = shardOfText(`${projectId}/${idempotencyKey}`);
  const subscriptionId = uuid(shardId);
  const row: AcceptRow = {
    ...request,
    ...(request.sealFor?.(subscriptionId) ?? NOTHING_SEALED),
    shardId,
    subscriptionId,
    jobRowId: uuid(shardId),
    paramsText,
    paramsDigest: paramsText === "{}" ? "" : paramsText,
    idempotencyShardId: keyShardId,
    nowMs,
    mailId: null,
  };
  const [accepted] = await acceptSubscriptions(database, [row]);
  if (accepted?.kind === "accepted") return accepted;
  const key = { shardId: keyShardId, projectId, key: idempotencyKey ?? "" };
  const used = await findIdempotencyKey(database, key);
  if (used === null) throw new Error("neither accepted nor a repetition");
  return [request.requestHash, ...request.olderRequestHashes].includes(used.requestHash)
    ? { kind: "replayed", subscriptionId: used.subscriptionId }
    : { kind: "idempotency_conflict" };
}
