import type { Socket } from "node:net";

const HEAD_BYTES_MAX = 32 * 1024;
const LF = 0x0a;
const HTTP = "HTTP/";

/**
 * Lets undici read responses whose head is not quite HTTP but clear to curl and browsers: chunks
 * and a length (the chunks count, RFC 9112 6.3), equal lengths twice, lines that end with LF alone,
 * lines that are folded, blanks before a colon, the transfer coding that is none. undici has no setting for that. Real contradictions, such as two different
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

  /** The bytes for undici; null while a head is incomplete. */
  take(chunk: Buffer): Buffer | null {
    if (this.#pending === null) return chunk;
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
    return Buffer.concat([Buffer.from(strictHead(head.toString("latin1")), "latin1"), rest]);
  }
}

function mayBeHttp(received: Buffer): boolean {
  const start = received.toString("latin1", 0, HTTP.length);
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
function strictHead(head: string): string {
  const unfolded = head.trimEnd().replaceAll(/\r?\n[ \t]+/g, " ");
  const [statusLine = "", ...lines] = unfolded.split(/\r?\n/);
  const fields = lines
    .map((line) => line.replace(/^([^\s:]+)[ \t]+:/, "$1:"))
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
  return [statusLine, ...kept, "connection: close", "", ""].join("\r\n");
}

/** One field for each length of a list, which RFC 9110 8.6 allows where they are equal. */
function lengthFields(field: string): string[] {
  const [name = "", list = ""] = field.split(":", 2);
  return list.split(",").map((length) => `${name}: ${length.trim()}`);
}
