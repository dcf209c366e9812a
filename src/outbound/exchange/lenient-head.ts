import type { Socket } from "node:net";
import { ChunkRewriter } from "./lenient-chunks.ts";

const HEAD_BYTES_MAX = 32 * 1024;
const LF = 0x0a;
const HTTP = "HTTP/";

/**
 * Lets undici read responses that are not quite HTTP but clear to curl and browsers: chunks
 * and a length (the chunks count, RFC 9112 6.3), equal lengths twice, lines that end with LF alone, also
 * those of chunks, lines that are folded, blanks before a colon, lines that are no header, another version, the transfer
 * coding that is none. undici has no setting for that. Real contradictions, such as two different
 * lengths, remain errors. The rewritten head closes the connection, so that bytes that two readers
 * interpret differently can't become the response to another request.
 */
export function readLeniently(socket: Socket): void {
  const read = socket.read.bind(socket);
  const rewriter = new HeadRewriter();
  // undici receives everything by `read`, whenever the socket is readable.
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    return chunk instanceof Buffer ? rewriter.take(chunk) : chunk;
  };
}

class HeadRewriter {
  /** The received part of a head; null after the head is complete. */
  #pending: Buffer | null = Buffer.alloc(0);
  /** Reads a body in chunks; null before it, and for any other body. */
  #chunks: ChunkRewriter | null = null;

  /** The bytes for undici; null while there are none. */
  take(chunk: Buffer): Buffer | null {
    if (this.#pending === null) return this.#chunks === null ? chunk : this.#chunks.take(chunk);
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const parts: Buffer[] = [];
    for (let part = this.#next(); part !== null; part = this.#next()) parts.push(part);
    return parts.length === 0 ? null : Buffer.concat(parts);
  }

  #next(): Buffer | null {
    const received = this.#pending;
    if (received === null) return null;
    const end = endOfHead(received);
    if (end === null) {
      // undici refuses anything other than HTTP at once.
      if (received.length < HEAD_BYTES_MAX && mayBeHttp(received)) return null;
      this.#pending = null;
      return received;
    }
    const head = received.subarray(0, end);
    const rest = received.subarray(end);
    const isAnnouncement = /^HTTP\/\S+ 1\d\d/.test(head.toString("latin1", 0, 20));
    this.#pending = isAnnouncement ? rest : null;
    if (isAnnouncement) return head;
    const strict = strictHead(head.toString("latin1"));
    if (strict.isChunked) this.#chunks = new ChunkRewriter();
    const body = this.#chunks === null ? rest : this.#chunks.take(rest);
    return Buffer.concat([Buffer.from(strict.head, "latin1"), ...(body === null ? [] : [body])]);
  }
}

function mayBeHttp(received: Buffer): boolean {
  const start = received.toString("latin1", 0, HTTP.length).toUpperCase();
  return HTTP.startsWith(start);
}

/** Offset after the empty line; null when it has not arrived. */
function endOfHead(bytes: Buffer): number | null {
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === 0x0d ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return null;
}

/** The head in a form that undici accepts, with the same meaning. */
function strictHead(head: string): { readonly head: string; readonly isChunked: boolean } {
  const unfolded = head.trimEnd().replaceAll(/\r?\n[ \t]+/g, " ");
  const [statusLine = "", ...lines] = unfolded.split(/\r?\n/);
  const fields = lines
    .map((line) => line.replace(/^([^\s:]+)[ \t]+:/, "$1:"))
    .filter((line) => /^[^\s:]+:/.test(line))
    .flatMap((field) => (/^content-length:/i.test(field) ? lengthFields(field) : [field]));
  const isChunked = fields.some((field) => /^transfer-encoding:.*\bchunked[ \t]*$/i.test(field));
  const lengths = new Set<string>();
  const kept = fields.filter((field) => {
    const [, name = "", value = ""] = /^([^:]+):[ \t]*(.*?)[ \t]*$/.exec(field) ?? [];
    switch (name.toLowerCase()) {
      case "content-length": {
        const isNews = !isChunked && !lengths.has(value);
        lengths.add(value);
        return isNews;
      }
      case "transfer-encoding":
        return value.toLowerCase() !== "identity";
      case "connection":
      case "keep-alive":
        return false;
      default:
        return true;
    }
  });
  const isKnown = /^HTTP\/1\.[01] /.test(statusLine);
  const first = isKnown ? statusLine : statusLine.replace(/^HTTP\/[\d.]+ /i, "HTTP/1.1 ");
  return { head: [first, ...kept, "connection: close", "", ""].join("\r\n"), isChunked };
}

/** One field for each length of a list, which RFC 9110 8.6 allows where they are equal. */
function lengthFields(field: string): string[] {
  const [name = "", list = ""] = field.split(":", 2);
  return list.split(",").map((length) => `${name}: ${length.trim().replace(/^\+/, "")}`);
}
