/**
 * Identifiers. Rows are keyed by a UUIDv7 (RFC 9562) whose 12 `rand_a` bits carry the shard, so
 * an id alone finds its row; being time-ordered, it also lists newest first. Outside, an id is
 * its kind's prefix and the UUID's 32 hex digits.
 */
export const ID_PREFIXES = {
  project: "prj",
  apiKey: "key",
  connection: "con",
  job: "job",
  subscription: "sub",
  event: "evt",
  delivery: "msg",
  signingSecret: "sec",
  redelivery: "red",
  operationalEvent: "ope",
  signingKey: "sgk",
  auditEntry: "aud",
  consoleLink: "lnk",
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

/** Bytes of randomness that one UUIDv7 consumes. */
export const UUID_RANDOM_BYTES = 8;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * A UUIDv7 in canonical form.
 * @param nowMs epoch milliseconds
 * @param shard 0–255, or 0 for rows that belong to no shard
 * @param random at least {@link UUID_RANDOM_BYTES} random bytes from `offset` on
 */
export function uuidV7(nowMs: number, shard: number, random: Uint8Array, offset = 0): string {
  const byte = (index: number): string => HEX[random[offset + index] ?? 0] ?? "00";
  const variant = HEX[((random[offset] ?? 0) & 0x3f) | 0x80] ?? "80";
  return (
    timePart(nowMs) +
    `${HEX[shard & 0xff]}-${variant}${byte(1)}-` +
    byte(2) +
    byte(3) +
    byte(4) +
    byte(5) +
    byte(6) +
    byte(7)
  );
}

let lastTime = { ms: Number.NaN, part: "" };

/** Up to the version and the shard's leading zero. Many ids are made in the same millisecond. */
function timePart(nowMs: number): string {
  if (nowMs !== lastTime.ms) {
    const hex = Math.floor(nowMs).toString(16).padStart(12, "0");
    lastTime = { ms: nowMs, part: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-70` };
  }
  return lastTime.part;
}

/** The shard that a UUID made by {@link uuidV7} carries. */
export function shardOfUuid(uuid: string): number {
  return Number.parseInt(uuid.slice(16, 18), 16);
}

/** The time at which a UUIDv7 was made, in epoch milliseconds. */
export function timeOfUuid(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8), 16) * 0x1_0000 + Number.parseInt(uuid.slice(9, 13), 16);
}

/** A UUID as numbers: this many words of 32 bits. */
export const UUID_WORDS = 4;

const DASH = 0x2d;

/** Writes a UUID in canonical form into `words`, from `offset` on. */
export function writeUuidWords(uuid: string, words: Uint32Array, offset = 0): void {
  let word = 0;
  let digits = 0;
  for (let at = 0; at < uuid.length; at += 1) {
    const code = uuid.charCodeAt(at);
    if (code === DASH) continue;
    // 0–9 and a–f.
    word = (word << 4) | (code < 0x3a ? code - 0x30 : code - 0x57);
    digits += 1;
    if (digits % 8 === 0) words[offset + digits / 8 - 1] = word;
  }
}

/** The canonical form of the UUID whose words begin at `offset`. */
export function readUuidWords(words: Uint32Array, offset = 0): string {
  let hex = "";
  for (let at = offset; at < offset + UUID_WORDS; at += 1) {
    const word = words[at] ?? 0;
    hex += HEX[word >>> 24];
    hex += HEX[(word >>> 16) & 0xff];
    hex += HEX[(word >>> 8) & 0xff];
    hex += HEX[word & 0xff];
  }
  return dashed(hex);
}

/** `sub_019a…` from a UUID. */
export function publicId(kind: IdKind, uuid: string): string {
  return `${ID_PREFIXES[kind]}_${uuid.replaceAll("-", "")}`;
}

const HEX32 = /^[0-9a-f]{12}7[0-9a-f]{19}$/;

/** The UUID behind a public id of this kind, or null when the text is not one. */
export function parsePublicId(kind: IdKind, text: string): string | null {
  const prefix = `${ID_PREFIXES[kind]}_`;
  if (!text.startsWith(prefix)) return null;
  const hex = text.slice(prefix.length);
  if (!HEX32.test(hex)) return null;
  return dashed(hex);
}

function dashed(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

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
