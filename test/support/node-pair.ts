import type postgres from "postgres";
import { expect, vi } from "vitest";
import { parsePublicId, SHARD_COUNT, shardOfJob } from "../../src/core/ids/ids.ts";
import type { GatewayProcess } from "./gateway-process.ts";
import type { ProcessScene } from "./process-scene.ts";

/** Two gateways on one database that have divided the shards. */
export type NodePair = readonly [GatewayProcess, GatewayProcess];

/** How long dividing the shards may take beside other work. */
const SETTLE_MS = 60_000;

export async function startNodePair(
  scene: ProcessScene,
  changesOfSecond: Readonly<Record<string, string>> = {},
): Promise<NodePair> {
  const pair: NodePair = await Promise.all([scene.start(), scene.start(changesOfSecond)]);
  await settled(pair);
  return pair;
}

/** Each owns half of the shards. */
export async function settled(pair: NodePair): Promise<void> {
  await vi.waitFor(
    async () => {
      const owned = await Promise.all(pair.map((node) => ownedShards(node)));
      expect(owned).toEqual([SHARD_COUNT / 2, SHARD_COUNT / 2]);
    },
    { timeout: SETTLE_MS, interval: 50 },
  );
}

/** How many shards the node has in memory. */
export function ownedShards(node: GatewayProcess): Promise<number> {
  return node.metric("ringback_owned_shards");
}

/** Names of jobs whose shards the node owns. */
export async function jobsOwnedBy(
  node: GatewayProcess,
  sql: postgres.Sql,
  connection: { readonly id: string; readonly count: number; readonly prefix: string },
): Promise<string[]> {
  const rows = await sql<{ shard_id: number }[]>`
    select shard_id from shards join nodes on nodes.id = owner_id where address = ${node.url}`;
  const shards = new Set(rows.map((row) => row.shard_id));
  if (shards.size === 0) throw new Error("the node owns no shard");
  const uuid = parsePublicId("connection", connection.id) ?? "";
  const jobIds: string[] = [];
  for (let number = 0; jobIds.length < connection.count; number += 1) {
    const jobId = `${connection.prefix}-${number}`;
    if (shards.has(shardOfJob(uuid, jobId))) jobIds.push(jobId);
  }
  return jobIds;
}
