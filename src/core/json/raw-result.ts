/**
 * A result as raw JSON, exactly as the upstream wrote it: text, or of a large one the text's UTF-8
 * bytes. A large string lies where V8 looks for garbage late, so that several more wait there.
 */
export type RawResult = string | Uint8Array;

export function bytesOfResult(result: RawResult): number {
  return typeof result === "string" ? Buffer.byteLength(result) : result.byteLength;
}

export function textOfResult(result: RawResult): string {
  return typeof result === "string" ? result : utf8OfResult(result).toString();
}

/**
 * Bytes share their memory.
 * @internal The published types know no `Buffer`: not every platform has one.
 */
export function utf8OfResult(result: RawResult): Buffer {
  return typeof result === "string" ? Buffer.from(result) : bufferOf(result);
}

/** Gives the memory of bytes back; of a text, nothing. */
export function releaseResult(result: RawResult): void {
  if (typeof result !== "string") releaseBytes(result);
}

/** The same memory as a `Buffer`. */
export function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Gives memory back at once instead of when it is found to be garbage; nothing can be read there afterwards. */
export function releaseBytes({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** Cuts UTF-8 into pieces of at most `bytesMax` bytes, at least 4, never through a character. */
export function* cutUtf8(bytes: Buffer, bytesMax: number): Generator<Buffer> {
  for (let from = 0; from < bytes.length;) {
    let to = Math.min(bytes.length, from + bytesMax);
    while (isContinuation(bytes[to])) to -= 1;
    yield bytes.subarray(from, to);
    from = to;
  }
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
