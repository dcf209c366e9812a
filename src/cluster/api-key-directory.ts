import type { ChangeSignal } from "../runtime/change-signal.ts";
import { Turns } from "../lanes/turns.ts";
import { Refresher } from "../runtime/refresher.ts";
import { withDeadline } from "../runtime/request-deadline.ts";
import {
  findApiKeys,
  type KnownApiKey,
  loadChangedApiKeys,
  loadUsableApiKeys,
} from "../store/projects/api-keys.ts";
import type { PooledDatabase } from "../store/db/database.ts";
import type { Runtime } from "../runtime/runtime.ts";

/**
 * Keys in memory, some 400 bytes each; beyond that, the oldest are looked up when they are used.
 */
const KEYS_MAX = 50_000;
/** Keys in memory are not trusted when the database has sent no news for this long. */
const BELIEVED_FOR_MS = 5_000;
/** A key that was refused and then created has to wait at most this long. */
const UNKNOWN_FOR_MS = 1_000;
const UNKNOWN_MAX = 5_000;
/** One statement looks up at most this many keys. */
const KEYS_PER_LOOKUP_MAX = 256;
const WAITING_MAX = 512;
const LOOKUP_DEADLINE_MS = 5_000;

interface Remembered {
  readonly key: KnownApiKey;
  readonly readAtMs: number;
}

interface Lookup {
  readonly source: string;
  readonly found: Promise<KnownApiKey | null>;
  readonly resolve: (key: KnownApiKey | null) => void;
  readonly reject: (error: unknown) => void;
}

export interface ApiKeyDirectoryOptions {
  /** Signals that API keys may have changed. */
  readonly changes?: ChangeSignal | undefined;
  readonly database: Pick<PooledDatabase, "run" | "transaction" | "within">;
}

/**
 * The API keys of all projects in memory, by hash, kept fresh on every node: a valid key needs no
 * database, and a revoked one is refused within a second. A key that is not in memory may have been
 * created a moment ago, so it is looked up: one statement at a time serves all waiting lookups,
 * with their sources in turns, so that guessing costs the database almost nothing.
 */
export class ApiKeyDirectory extends Refresher<KnownApiKey> {
  readonly #runtime: Runtime;
  readonly #options: ApiKeyDirectoryOptions;
  readonly #known = new Map<string, Remembered>();
  /** How long each hash counts as unknown. */
  readonly #unknown = new Map<string, number>();
  readonly #lookups = new Map<string, Lookup>();
  readonly #turns = new Turns<string>("key_lookups");
  readonly #waitingBySource = new Map<string, number>();
  #isLookingUp = false;
  #refreshedAtMs = -Infinity;

  constructor(runtime: Runtime, options: ApiKeyDirectoryOptions) {
    super(runtime, {
      name: "refresh API keys",
      changes: options.changes,
      load: (changedSinceMs) => this.#load(changedSinceMs),
      take: (key) => this.take(key),
    });
    this.#runtime = runtime;
    this.#options = options;
  }

  /** The key from memory, including expired and revoked ones; null when it is not in memory. */
  find(keyHash: string): KnownApiKey | null {
    const remembered = this.#known.get(keyHash);
    if (remembered === undefined) return null;
    const { changes } = this.#options;
    const unchangedAsOfMs = changes?.unchangedAsOfMs ?? -Infinity;
    const believedFromMs = Math.max(remembered.readAtMs, this.#refreshedAtMs, unchangedAsOfMs);
    const isBelieved = believedFromMs + BELIEVED_FOR_MS > this.#runtime.clock.monotonic();
    return isBelieved ? remembered.key : null;
  }

  /** True when the key was looked up a moment ago and does not exist. */
  isUnknown(keyHash: string): boolean {
    return (this.#unknown.get(keyHash) ?? -Infinity) > this.#runtime.clock.monotonic();
  }

  /**
   * Looks up a key in the database. Rejects when the database can't be asked.
   * @param source where the request came from; sources take turns
   * @param waitingMax lookups of one source that may wait
   * @returns null when too many wait
   */
  lookUp(keyHash: string, source: string, waitingMax: number): Promise<KnownApiKey | null> | null {
    const asked = this.#lookups.get(keyHash);
    if (asked !== undefined) return asked.found;
    const waiting = this.#waitingBySource.get(source) ?? 0;
    if (this.#lookups.size >= WAITING_MAX || waiting >= waitingMax) return null;
    const { promise: found, resolve, reject } = Promise.withResolvers<KnownApiKey | null>();
    this.#lookups.set(keyHash, { source, found, resolve, reject });
    this.#waitingBySource.set(source, waiting + 1);
    this.#turns.add(source, keyHash);
    if (!this.#isLookingUp) void this.#lookUpAll();
    return found;
  }

  /** Takes a key as the database has it now. A revocation is final, whatever was read before it. */
  take(key: KnownApiKey): void {
    const { keyHash } = key;
    const held = this.#known.get(keyHash);
    const isOlder = held !== undefined && held.key.updatedAtMs > key.updatedAtMs;
    if (isOlder && key.revokedAtMs === null) return;
    for (const oldest of this.#known.keys()) {
      if (held !== undefined || this.#known.size < KEYS_MAX) break;
      this.#known.delete(oldest);
    }
    this.#known.set(keyHash, { key, readAtMs: this.#runtime.clock.monotonic() });
    this.#unknown.delete(keyHash);
  }

  async #load(changedSinceMs: number): Promise<readonly KnownApiKey[]> {
    const { clock } = this.#runtime;
    const { database } = this.#options;
    const startedAtMs = clock.monotonic();
    const keys =
      changedSinceMs === 0
        ? (await loadUsableApiKeys(database, KEYS_MAX)).toReversed()
        : await loadChangedApiKeys(database, changedSinceMs);
    this.#refreshedAtMs = startedAtMs;
    return keys;
  }

  async #lookUpAll(): Promise<void> {
    this.#isLookingUp = true;
    while (!this.#turns.isEmpty) {
      const keyHashes: string[] = [];
      while (keyHashes.length < KEYS_PER_LOOKUP_MAX) {
        const keyHash = this.#turns.take();
        if (keyHash === null) break;
        keyHashes.push(keyHash);
      }
      await this.#lookUpSome(keyHashes);
    }
    this.#isLookingUp = false;
  }

  async #lookUpSome(keyHashes: readonly string[]): Promise<void> {
    const { clock } = this.#runtime;
    const { database } = this.#options;
    try {
      // Has its own deadline, since several requests may wait for it.
      const found = await withDeadline(clock, LOOKUP_DEADLINE_MS, (deadline) =>
        findApiKeys(database.within(deadline), keyHashes),
      );
      for (const key of found) this.take(key);
      const byHash = new Map(found.map((key) => [key.keyHash, key]));
      for (const keyHash of keyHashes) {
        const key = byHash.get(keyHash) ?? null;
        if (key === null) this.#rememberUnknown(keyHash);
        this.#settle(keyHash)?.resolve(key);
      }
    } catch (error) {
      for (const keyHash of keyHashes) this.#settle(keyHash)?.reject(error);
    }
  }

  #settle(keyHash: string): Lookup | undefined {
    const lookup = this.#lookups.get(keyHash);
    if (lookup === undefined) return undefined;
    this.#lookups.delete(keyHash);
    const waiting = (this.#waitingBySource.get(lookup.source) ?? 1) - 1;
    if (waiting > 0) this.#waitingBySource.set(lookup.source, waiting);
    else this.#waitingBySource.delete(lookup.source);
    return lookup;
  }

  #rememberUnknown(keyHash: string): void {
    this.#unknown.delete(keyHash);
    for (const oldest of this.#unknown.keys()) {
      if (this.#unknown.size < UNKNOWN_MAX) break;
      this.#unknown.delete(oldest);
    }
    this.#unknown.set(keyHash, this.#runtime.clock.monotonic() + UNKNOWN_FOR_MS);
  }
}
