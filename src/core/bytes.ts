/* Apart from the results that use it: the published types include those, and must not name `Buffer`, which not every platform has. */

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
