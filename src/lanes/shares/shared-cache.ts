interface Entry<Value> {
  readonly group: string;
  readonly value: Value;
}

/**
 * A bounded cache that groups, usually projects, share. When it is full, the group with the most entries
 * loses its oldest. So one that fills it pushes out its own entries, and none of a group that has fewer.
 */
export class SharedCache<Value, Key = string> {
  readonly #max: number;
  readonly #entries = new Map<Key, Entry<Value>>();
  /** The keys of each group, the oldest first. */
  readonly #groups = new Map<string, Set<Key>>();

  /** @param max entries of all groups together */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  has(key: Key): boolean {
    return this.#entries.has(key);
  }

  /** Adds an entry, or replaces the one of this key, as the newest of its group. */
  set(group: string, key: Key, value: Value): void {
    this.delete(key);
    const loser = this.size >= this.#max ? this.nextToLose() : null;
    if (loser !== null) this.delete(loser);
    this.#entries.set(key, { group, value });
    const keys = this.#groups.get(group);
    if (keys === undefined) this.#groups.set(group, new Set([key]));
    else keys.add(key);
  }

  delete(key: Key): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const keys = this.#groups.get(entry.group);
    keys?.delete(key);
    if (keys?.size === 0) this.#groups.delete(entry.group);
  }

  /** The entry that makes room for another: the oldest of the group with the most. */
  nextToLose(): Key | null {
    let most: ReadonlySet<Key> | null = null;
    for (const keys of this.#groups.values()) if (keys.size > (most?.size ?? 0)) most = keys;
    const [oldest = null] = most ?? [];
    return oldest;
  }
}
