/** A body is larger than what is taken. */
export class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";

  constructor(bytesMax: number) {
    super(`The body has more than ${bytesMax} bytes.`);
  }
}

/**
 * Reads a body whole.
 * @throws {BodyTooLargeError} as soon as it is known to be larger, without reading the rest
 */
export async function readBounded(
  source: Pick<Request | Response, "body" | "headers">,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { body } = source;
  if (body === null) return new Uint8Array();
  if (Number(source.headers.get("content-length") ?? 0) > bytesMax) {
    await body.cancel();
    throw new BodyTooLargeError(bytesMax);
  }
  const chunks: Uint8Array[] = [];
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(chunks, length);
    length += value.byteLength;
    if (length > bytesMax) {
      await reader.cancel();
      throw new BodyTooLargeError(bytesMax);
    }
    chunks.push(value);
  }
}

/** The chunks one after the other. */
export function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
