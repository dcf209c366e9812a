import { Turns } from "../../lanes/shares/turns.ts";
import type { KnownApiKey } from "../../store/projects/api-keys.ts";

/** One statement looks up at most this many keys. */
const KEYS_PER_LOOKUP_MAX = 256;
/** Reserved for proven sources, so that a flood from others can't take every place. */
const PROVEN_PER_LOOKUP = KEYS_PER_LOOKUP_MAX / 2;
/**
 * Lookups that wait, for each of the two kinds of sources. A statement takes milliseconds, so they are
 * more than a node receives in the time of all of them.
 */
const WAITING_MAX = 4_096;
/** A source may have the 64th part of what is left, or one. */
const SOURCE_PART = 64;

/** Where a key came from that has to be looked up. */
export interface LookupSource {
  /** Sources take turns by their names. */
  readonly name: string;
  /** The client's address. */
  readonly address: string;
  /** Lookups of the source that may wait. */
  readonly waitingMax: number;
}

interface Lookup {
  readonly queue: WaitingLookups;
  readonly source: string;
  readonly found: Promise<KnownApiKey | null>;
  readonly resolve: (key: KnownApiKey | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Lookups of one kind of sources: bounded, and with the sources in turns. */
class WaitingLookups {
  readonly turns = new Turns<string>("key_lookups");
  readonly #bySource = new Map<string, number>();
  #size = 0;

  /** True when the source may have one more. */
  hasRoomFor({ name, waitingMax }: LookupSource): boolean {
    const left = WAITING_MAX - this.#size;
    const most = Math.min(left, waitingMax, Math.max(1, Math.floor(left / SOURCE_PART)));
    return (this.#bySource.get(name) ?? 0) < most;
  }

  add(keyHash: string, source: string): void {
    this.#size += 1;
    this.#bySource.set(source, (this.#bySource.get(source) ?? 0) + 1);
    this.turns.add(source, keyHash);
  }

  remove(keyHash: string, source: string): void {
    this.#size -= 1;
    this.turns.remove(source, keyHash);
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left > 0) this.#bySource.set(source, left);
    else this.#bySource.delete(source);
  }
}

/**
 * The keys that wait to be looked up. One statement at a time serves all of them, with their sources
 * in turns. Sources that have used a valid key before are served apart from the others, so that a flood
 * from any number of strangers neither takes their room nor their turns.
 */
export class KeyLookups {
  readonly #lookUpAll: (keyHashes: readonly string[]) => Promise<ReadonlyMap<string, KnownApiKey>>;
  readonly #lookups = new Map<string, Lookup>();
  readonly #proven = new WaitingLookups();
  readonly #unproven = new WaitingLookups();
  #isLookingUp = false;

  /** @param lookUpAll finds keys by their hashes, those that exist */
  constructor(
    lookUpAll: (keyHashes: readonly string[]) => Promise<ReadonlyMap<string, KnownApiKey>>,
  ) {
    this.#lookUpAll = lookUpAll;
  }

  /**
   * Looks a key up. Rejects when it can't be.
   * @param isProven whether the source has used a valid key before, or the key was valid before
   * @returns null when too many wait
   */
  lookUp(
    keyHash: string,
    source: LookupSource,
    isProven: boolean,
  ): Promise<KnownApiKey | null> | null {
    const asked = this.#lookups.get(keyHash);
    if (asked !== undefined) return asked.found;
    const queue = this.#queueFor(source, isProven);
    if (queue === null) return null;
    const { promise: found, resolve, reject } = Promise.withResolvers<KnownApiKey | null>();
    this.#lookups.set(keyHash, { queue, source: source.name, found, resolve, reject });
    queue.add(keyHash, source.name);
    if (!this.#isLookingUp) void this.#work();
    return found;
  }

  /** Ends the wait for a key that has become known in another way. */
  known(key: KnownApiKey): void {
    this.#settle(key.keyHash)?.resolve(key);
  }

  #queueFor(source: LookupSource, isProven: boolean): WaitingLookups | null {
    if (isProven && this.#proven.hasRoomFor(source)) return this.#proven;
    return this.#unproven.hasRoomFor(source) ? this.#unproven : null;
  }

  async #work(): Promise<void> {
    this.#isLookingUp = true;
    for (let keys = this.#next(); keys.length > 0; keys = this.#next()) await this.#serve(keys);
    this.#isLookingUp = false;
  }

  /** The keys of the next statement. */
  #next(): string[] {
    const keyHashes: string[] = [];
    takeTurns(this.#proven.turns, keyHashes, PROVEN_PER_LOOKUP);
    takeTurns(this.#unproven.turns, keyHashes, KEYS_PER_LOOKUP_MAX);
    takeTurns(this.#proven.turns, keyHashes, KEYS_PER_LOOKUP_MAX);
    return keyHashes;
  }

  async #serve(keyHashes: readonly string[]): Promise<void> {
    try {
      const found = await this.#lookUpAll(keyHashes);
      for (const keyHash of keyHashes) this.#settle(keyHash)?.resolve(found.get(keyHash) ?? null);
    } catch (error) {
      for (const keyHash of keyHashes) this.#settle(keyHash)?.reject(error);
    }
  }

  #settle(keyHash: string): Lookup | undefined {
    const lookup = this.#lookups.get(keyHash);
    this.#lookups.delete(keyHash);
    lookup?.queue.remove(keyHash, lookup.source);
    return lookup;
  }
}

/** Takes members in their turns until there are so many. */
function takeTurns(turns: Turns<string>, taken: string[], max: number): void {
  while (taken.length < max) {
    const next = turns.take();
    if (next === null) return;
    taken.push(next);
  }
}
