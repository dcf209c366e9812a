import type { Release } from "../../delivery/waits/consumer-claims.ts";
import type { Database } from "../../store/db/database.ts";
import type { ApiPorts } from "../context.ts";
import { stockRefusal } from "../http/limit-refusal.ts";
import type { Outcome } from "../http/problem.ts";
import type { Reply } from "../http/route.ts";
import type { FoundInbox } from "./cursor.ts";
import { consumerBusy } from "./reader.ts";

/** Identifies the reader. */
export interface ClaimedReading {
  readonly inbox: FoundInbox;
  /** Null for a reader without a name; there may be many. */
  readonly consumer: string | null;
  readonly isKnownConsumer: boolean;
  readonly database: Database;
}

/** Makes the request the only reader of the consumer. */
export async function claimConsumer(
  ports: ApiPorts,
  { inbox, consumer, isKnownConsumer, database }: ClaimedReading,
): Promise<Outcome<Release>> {
  if (consumer === null) return { ok: true, value: async () => {} };
  const { projectId, name } = inbox;
  if (!isKnownConsumer) {
    const refusal = await stockRefusal("inbox_consumers", { projectId, database }, ports);
    if (refusal !== null) return refusal;
  }
  const release = await ports.consumerClaims.claim(database, { projectId, name, consumer });
  return release === null ? consumerBusy(consumer) : { ok: true, value: release };
}

/** Runs `read` while no other request reads for the consumer. */
export async function claimingConsumer(
  ports: ApiPorts,
  reading: ClaimedReading,
  read: () => Promise<Reply>,
): Promise<Reply> {
  const claim = await claimConsumer(ports, reading);
  if (!claim.ok) return claim;
  try {
    return await read();
  } finally {
    await claim.value();
  }
}
