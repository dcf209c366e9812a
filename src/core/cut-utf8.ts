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
