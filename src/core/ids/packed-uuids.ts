import { readUuidWords, UUID_WORDS, writeUuidWords } from "./ids.ts";

/*
 * Many UUIDs as the words of one array. As strings, thousands of them that are only compared cost
 * ten times as much and leave as much garbage.
 */

export type PackedUuids = Uint32Array;

const WORD_BYTES = 4;

export function packUuids(uuids: readonly string[]): PackedUuids {
  const words = new Uint32Array(uuids.length * UUID_WORDS);
  for (const [index, uuid] of uuids.entries()) writeUuidWords(uuid, words, index * UUID_WORDS);
  return words;
}

/** From the 16 bytes of each, one after the other. */
export function packedFromBytes(bytes: Buffer): PackedUuids {
  const words = new Uint32Array(bytes.length / WORD_BYTES);
  for (let word = 0; word < words.length; word += 1) {
    words[word] = bytes.readUInt32BE(word * WORD_BYTES);
  }
  return words;
}

/** The UUIDs of either that the other lacks. None may be there twice. */
export function compareUuids(
  left: PackedUuids,
  right: PackedUuids,
): { readonly onlyLeft: string[]; readonly onlyRight: string[] } {
  const index = new IdIndex(right);
  const slots = right.length / UUID_WORDS;
  for (let slot = 0; slot < slots; slot += 1) index.add(slot);
  const isInBoth = new Uint8Array(slots);
  const onlyLeft: string[] = [];
  const wanted = new Uint32Array(UUID_WORDS);
  for (let from = 0; from < left.length; from += UUID_WORDS) {
    for (let word = 0; word < UUID_WORDS; word += 1) wanted[word] = left[from + word] ?? 0;
    const slot = index.find(wanted);
    if (slot < 0) onlyLeft.push(readUuidWords(left, from));
    else isInBoth[slot] = 1;
  }
  const onlyRight: string[] = [];
  for (let slot = 0; slot < slots; slot += 1) {
    if (isInBoth[slot] === 0) onlyRight.push(readUuidWords(right, slot * UUID_WORDS));
  }
  return { onlyLeft, onlyRight };
}

const CAPACITY_INITIAL = 1024;
const EMPTY = 0;

/**
 * Finds a slot by its UUID: open addressing with linear probing over one array of slot numbers. The
 * UUIDs themselves stay with the owner, as words of 32 bits. A `Map` with a million string keys
 * would take ten times the memory, all of it looked through by every collection of garbage.
 */
export class IdIndex {
  /** Slot `n` has the words from `n * UUID_WORDS` on. Its owner replaces the array when it grows. */
  words: Uint32Array;
  /** Slot + 1, or EMPTY. Its length is a power of two, at least twice the entries. */
  #entries = new Int32Array(CAPACITY_INITIAL);
  #count = 0;

  constructor(words: Uint32Array) {
    this.words = words;
  }

  /** The slot whose UUID has these words, or -1. */
  find(wanted: Uint32Array): number {
    for (let at = this.#home(wanted, 0); ; at = this.#after(at)) {
      const entry = this.#entries[at] ?? EMPTY;
      if (entry === EMPTY) return -1;
      if (this.#isAt(entry - 1, wanted)) return entry - 1;
    }
  }

  /** Adds a slot whose words are set and that is not in here. */
  add(slot: number): void {
    this.#count += 1;
    if (2 * this.#count > this.#entries.length) this.#grow();
    this.#place(slot);
  }

  /** Takes out a slot that is in here; what was placed behind it moves up. */
  remove(slot: number): void {
    let hole = this.#home(this.words, slot * UUID_WORDS);
    while (this.#entries[hole] !== slot + 1) hole = this.#after(hole);
    this.#count -= 1;
    for (let at = this.#after(hole); ; at = this.#after(at)) {
      const entry = this.#entries[at] ?? EMPTY;
      if (entry === EMPTY) break;
      const home = this.#home(this.words, (entry - 1) * UUID_WORDS);
      // An entry between its home and its place may not move before its home.
      const isPastHome = hole <= at ? home > hole && home <= at : home > hole || home <= at;
      if (isPastHome) continue;
      this.#entries[hole] = entry;
      hole = at;
    }
    this.#entries[hole] = EMPTY;
  }

  #place(slot: number): void {
    let at = this.#home(this.words, slot * UUID_WORDS);
    while (this.#entries[at] !== EMPTY) at = this.#after(at);
    this.#entries[at] = slot + 1;
  }

  #grow(): void {
    const old = this.#entries;
    this.#entries = new Int32Array(old.length * 2);
    for (const entry of old) if (entry !== EMPTY) this.#place(entry - 1);
  }

  /** The last words of a UUIDv7 are random, so they need no hashing. */
  #home(words: Uint32Array, from: number): number {
    return (words[from + UUID_WORDS - 1] ?? 0) & (this.#entries.length - 1);
  }

  #after(at: number): number {
    return (at + 1) & (this.#entries.length - 1);
  }

  #isAt(slot: number, wanted: Uint32Array): boolean {
    const from = slot * UUID_WORDS;
    for (let word = UUID_WORDS - 1; word >= 0; word -= 1) {
      if (this.words[from + word] !== wanted[word]) return false;
    }
    return true;
  }
}
