/** Jobs are cut into this many slices; never to be changed, since the shard is part of every key. */
export const SHARD_COUNT = 256;

/**
 * The shard of a job: FNV-1a over the UTF-16 code units, folded to eight bits. The same
 * connection and job id always meet in the same shard, whatever node accepts them.
 */
export function shardOfJob(connectionId: string, jobId: string): number {
  return shardOfText(`${connectionId}/${jobId}`);
}

/** The shard of any text key, such as an idempotency key. */
export function shardOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash ^= hash >>> 16;
  return (hash ^ (hash >>> 8)) & (SHARD_COUNT - 1);
}

/** How many shards each of `nodeCount` nodes may hold at most, so that all are held. */
export function fairShare(nodeCount: number): number {
  return Math.ceil(SHARD_COUNT / Math.max(1, nodeCount));
}
