import type { ChangeSignal } from "../../runtime/change-signal.ts";
import { SharedCache } from "../../lanes/shares/shared-cache.ts";
import { Refresher } from "../../runtime/refresher.ts";
import { withDeadline } from "../../runtime/request-deadline.ts";
import {
  findApiKeys,
  type KnownApiKey,
  loadChangedApiKeys,
  loadUsableApiKeys,
} from "../../store/projects/api-keys.ts";
import type { PooledDatabase } from "../../store/db/database.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { KeyLookups, type LookupSource } from "./key-lookups.ts";

/**
 * Keys in memory, some 500 bytes each; beyond that, the oldest of the project with the most are looked up
 * when they are used.
 */
const KEYS_MAX = 50_000;
/** Keys in memory are not trusted when the database has sent no news for this long. */
const BELIEVED_FOR_MS = 5_000;
/** A key that was refused and then created has to wait at most this long. */
const UNKNOWN_FOR_MS = 1_000;
const UNKNOWN_MAX = 5_000;
/** Addresses that are remembered, of all projects; some 200 bytes each. */
const ADDRESSES_MAX = 20_000;
const LOOKUP_DEADLINE_MS = 5_000;

/**
 * The API keys of all projects in memory, by hash, kept fresh on every node: a valid key needs no
 * database, and a revoked one is refused within a second. A key that is not in memory may have been
 * created a moment ago, so it is looked up, together with others, so that guessing costs the database
 * almost nothing. One that was created on another node is in memory here within a second.
 */
export class ApiKeyDirectory extends Refresher<KnownApiKey> {
  readonly #runtime: Runtime;
  readonly #database: Pick<PooledDatabase, "run" | "transaction" | "within">;
  readonly #changes: ChangeSignal | undefined;
  readonly #known = new SharedCache<{
    readonly key: KnownApiKey;
    readonly readAtMs: number;
  }>(KEYS_MAX);
  /** How long each hash counts as unknown. */
  readonly #unknown = new Map<string, number>();
  /** From which a valid key was used, so that a flood from others can't shut them out. */
  readonly #provenAddresses = new SharedCache<true>(ADDRESSES_MAX);
  readonly #lookups = new KeyLookups((keyHashes) => this.#findAll(keyHashes));
  #refreshedAtMs = -Infinity;

  /** @param changes signals that API keys may have changed */
  constructor(
    runtime: Runtime,
    database: Pick<PooledDatabase, "run" | "transaction" | "within">,
    changes?: ChangeSignal,
  ) {
    super(runtime, {
      name: "refresh API keys",
      changes,
      load: (changedSinceMs) => this.#load(changedSinceMs),
      take: (key) => this.take(key),
    });
    this.#runtime = runtime;
    this.#database = database;
    this.#changes = changes;
  }

  /** The key from memory, including expired and revoked ones; null when it is not in memory. */
  find(keyHash: string): KnownApiKey | null {
    const remembered = this.#known.get(keyHash);
    if (remembered === undefined) return null;
    const unchangedAsOfMs = this.#changes?.unchangedAsOfMs ?? -Infinity;
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
   * @returns null when too many wait
   */
  lookUp(keyHash: string, source: LookupSource): Promise<KnownApiKey | null> | null {
    const isProven = this.#provenAddresses.has(source.address) || this.#known.has(keyHash);
    return this.#lookups.lookUp(keyHash, source, isProven);
  }

  /** Notes that a valid key was used from this address. */
  used({ projectId }: Pick<KnownApiKey, "projectId">, address: string): void {
    if (!this.#provenAddresses.has(address)) this.#provenAddresses.set(projectId, address, true);
  }

  /** Takes a key as the database has it now. A revocation is final, whatever was read before it. */
  take(key: KnownApiKey): void {
    const { keyHash } = key;
    const held = this.#known.get(keyHash);
    const isOlder = held !== undefined && held.key.updatedAtMs > key.updatedAtMs;
    if (isOlder && key.revokedAtMs === null) return;
    this.#known.set(key.projectId, keyHash, { key, readAtMs: this.#runtime.clock.monotonic() });
    this.#unknown.delete(keyHash);
    this.#lookups.known(key);
  }

  async #load(changedSinceMs: number): Promise<readonly KnownApiKey[]> {
    const { clock } = this.#runtime;
    const startedAtMs = clock.monotonic();
    const keys =
      changedSinceMs === 0
        ? (await loadUsableApiKeys(this.#database, KEYS_MAX)).toReversed()
        : await loadChangedApiKeys(this.#database, changedSinceMs);
    this.#refreshedAtMs = startedAtMs;
    return keys;
  }

  async #findAll(keyHashes: readonly string[]): Promise<ReadonlyMap<string, KnownApiKey>> {
    // Has its own deadline, since several requests may wait for it.
    const keys = await withDeadline(this.#runtime.clock, LOOKUP_DEADLINE_MS, (deadline) =>
      findApiKeys(this.#database.within(deadline), keyHashes),
    );
    const found = new Map(keys.map((key) => [key.keyHash, key]));
    for (const key of keys) this.take(key);
    for (const keyHash of keyHashes) if (!found.has(keyHash)) this.#rememberUnknown(keyHash);
    return found;
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
