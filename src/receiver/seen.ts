/**
 * Remembers which callbacks were handled, by their `webhook-id`. Two functions over whatever store a
 * receiver has: KV, Redis, a table with a unique key. An id needs to be kept for some days: a callback
 * is retried for three, and can be redelivered later.
 */
export interface SeenStore {
  /** Whether this callback was handled. */
  readonly has: (id: string) => boolean | Promise<boolean>;
  /** Called once the handler is done, and never when it threw. */
  readonly add: (id: string) => unknown;
}

const IDS_MAX = 10_000;

/**
 * Remembers the latest ids in memory: enough for one process, and only until it ends.
 * @param idsMax above it the oldest ones are forgotten
 */
export function memorySeen(idsMax: number = IDS_MAX): SeenStore {
  const ids = new Set<string>();
  return {
    has: (id) => ids.has(id),
    add(id) {
      ids.delete(id);
      ids.add(id);
      const [oldest] = ids;
      if (ids.size > idsMax && oldest !== undefined) ids.delete(oldest);
    },
  };
}
