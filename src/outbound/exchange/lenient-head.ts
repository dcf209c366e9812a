import type { Socket } from "node:net";

const HEAD_BYTES_MAX = 32 * 1024;
const LF = 0x0a;
const HTTP = "HTTP/";

/**
 * Lets undici read answers whose head is not quite HTTP but clear to curl and browsers: chunks and a
 * length (the chunks count, RFC 9112 6.3), equal lengths twice, lines that end with LF alone, blanks
 * before a colon. undici has no setting for that. What differs, such as two different lengths, stays
 * as wrong as it is. The rewritten head closes the connection, so that nothing that two
 * readers see differently can become the answer to another request.
 */
export function readLeniently(socket: Socket): void {
  const read = socket.read.bind(socket);
  const rewriter = new HeadRewriter();
  // undici takes everything by `read`, whenever something may be read.
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    return chunk instanceof Buffer ? rewriter.take(chunk) : chunk;
  };
}

class HeadRewriter {
  /** What has come of a head; null after the answer's own. */
  #pending: Buffer | null = Buffer.alloc(0);

  /** What undici gets of it; null while a head is incomplete. */
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
      // Something else than HTTP is for undici to refuse, at once.
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

/** After the empty line; null when it has not come. */
function endOfHead(bytes: Buffer): number | null {
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === 0x0d ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return null;
}

/** A head as undici takes it, with the same meaning. */
function strictHead(head: string): string {
  const [statusLine = "", ...lines] = head.trimEnd().split(/\r?\n/);
  const fields = lines.map((line) => line.replace(/^([^\s:]+)[ \t]+:/, "$1:"));
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
      case "connection":
      case "keep-alive":
        return false;
      default:
        return true;
    }
  });
  return [statusLine, ...kept, "connection: close", "", ""].join("\r\n");
}
