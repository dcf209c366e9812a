const NOTHING = Buffer.alloc(0);
const CR = 0x0d;
const LF = 0x0a;
/** A size with its extensions. */
const SIZE_LINE_BYTES_MAX = 4096;
const SIZE_LINE = /^[ \t]*([\da-f]{1,13})[ \t]*(?:;.*)?\r?$/i;

/**
 * Writes the frames of a chunked body as RFC 9112 7.1 does, whatever ends their lines and whatever blanks are
 * beside a size. Bytes that are no chunks pass unchanged, for the parser to refuse.
 */
export class ChunkRewriter {
  /** The received part of a line. */
  #line: Buffer = NOTHING;
  /** Bytes of the current chunk that have not arrived. */
  #dataBytes = 0;
  #expects: "size" | "data" | "end of data" | "nothing" | "raw" = "size";

  /** The bytes for the parser; null while there are none. */
  take(received: Buffer): Buffer | null {
    const parts: Buffer[] = [];
    let rest = received;
    while (rest.length > 0) rest = this.#step(rest, parts);
    return parts.length === 0 ? null : Buffer.concat(parts);
  }

  /** Returns what is left of the bytes. */
  #step(bytes: Buffer, parts: Buffer[]): Buffer {
    switch (this.#expects) {
      case "data":
        return this.#passData(bytes, parts);
      case "size":
      case "end of data":
        return this.#takeLine(bytes, parts);
      case "raw":
        parts.push(bytes);
        return NOTHING;
      case "nothing":
        return NOTHING;
    }
  }

  #passData(bytes: Buffer, parts: Buffer[]): Buffer {
    const data = bytes.subarray(0, this.#dataBytes);
    parts.push(data);
    this.#dataBytes -= data.length;
    if (this.#dataBytes === 0) this.#expects = "end of data";
    return bytes.subarray(data.length);
  }

  #takeLine(bytes: Buffer, parts: Buffer[]): Buffer {
    const end = bytes.indexOf(LF) + 1;
    const line = Buffer.concat([this.#line, end === 0 ? bytes : bytes.subarray(0, end)]);
    this.#line = end === 0 ? line : NOTHING;
    if (end === 0 && line.length <= SIZE_LINE_BYTES_MAX) return NOTHING;
    if (!this.#isTaken(line, parts)) {
      this.#expects = "raw";
      parts.push(line);
    }
    return end === 0 ? NOTHING : bytes.subarray(end);
  }

  #isTaken(line: Buffer, parts: Buffer[]): boolean {
    const text = line.toString("latin1", 0, line.length - 1);
    if (this.#expects === "end of data") {
      const isEmpty = line[0] === LF || (line[0] === CR && line[1] === LF);
      if (isEmpty) this.#beginSize(parts);
      return isEmpty;
    }
    const digits = line.at(-1) === LF ? SIZE_LINE.exec(text)?.[1] : undefined;
    if (digits === undefined) return false;
    this.#dataBytes = Number.parseInt(digits, 16);
    this.#expects = this.#dataBytes === 0 ? "nothing" : "data";
    // Trailers are not read, and the connection closes after this response.
    parts.push(Buffer.from(this.#dataBytes === 0 ? "0\r\n\r\n" : `${digits}\r\n`));
    return true;
  }

  #beginSize(parts: Buffer[]): void {
    this.#expects = "size";
    parts.push(Buffer.from("\r\n"));
  }
}
