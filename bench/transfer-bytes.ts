const CHUNK = Buffer.alloc(64 * 1024, "ringback");
const CHUNKS_PER_MEBIBYTE = (1024 * 1024) / CHUNK.length;

/** A body of so many MiB, in chunks as a file is read. */
export function* mebibytes(count: number): Generator<Buffer> {
  for (let chunk = 0; chunk < count * CHUNKS_PER_MEBIBYTE; chunk += 1) yield CHUNK;
}
