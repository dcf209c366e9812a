import { IdIndex } from "./id-index.ts";
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
