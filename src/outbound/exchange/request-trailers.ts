import type { Socket } from "node:net";

/** How undici ends a body in chunks. It has no way to send trailers before the last line of it. */
const END_OF_CHUNKS = "\r\n0\r\n\r\n";
const LAST_CHUNK = "\r\n0\r\n";

type Write = (chunk: Uint8Array | string, encoding?: BufferEncoding) => boolean;

/**
 * Ends the next body in chunks on a connection with trailers (RFC 9112, 7.1.2). Bodies are written as
 * bytes, so the one text that ends them can't be taken for a part of one.
 * @param trailers names and values alternating, as known once the body has ended; none for no change
 */
export function endBodyWith(socket: Socket, trailers: () => readonly string[]): void {
  const write = socket.write.bind(socket) as Write;
  const replaced: Write = (chunk, encoding) => {
    if (chunk !== END_OF_CHUNKS) return write(chunk, encoding);
    // From here on the socket's own method is found again.
    Reflect.deleteProperty(socket, "write");
    return write(`${LAST_CHUNK}${linesOf(trailers())}\r\n`, "latin1");
  };
  socket.write = replaced as Socket["write"];
}

function linesOf(fields: readonly string[]): string {
  let lines = "";
  for (let index = 0; index < fields.length; index += 2) {
    lines += `${fields[index] ?? ""}: ${fields[index + 1] ?? ""}\r\n`;
  }
  return lines;
}
