import { gzipSync } from "node:zlib";

/* Answers of upstreams whose bytes matter. */

interface WireCase {
  /** The guarantee. */
  readonly title: string;
  readonly sources: readonly string[];
  /** Every byte of the answer. */
  readonly answer: string | Buffer;
}

const BODY = '{"status":"done","output":1}';
const CHUNKS = `1c\r\n${BODY}\r\n0\r\n\r\n`;

const GZIP = gzipSync(BODY);

function inChunks(coding: string, body: Buffer): Buffer {
  const head = `HTTP/1.1 200 OK\r\n${coding}\r\n\r\n${body.length.toString(16)}\r\n`;
  return Buffer.concat([Buffer.from(head), body, Buffer.from("\r\n0\r\n\r\n")]);
}

function withChunks(chunks: string): string {
  return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`;
}

const ODD: readonly (readonly [what: string, answer: string | Buffer])[] = [
  [
    "names the length of its chunks",
    `HTTP/1.1 200 OK\r\nContent-Length: 28\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  ],
  [
    "has chunks and a wrong length",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${CHUNKS}`,
  ],
  [
    "names its length twice",
    `HTTP/1.1 200 OK\r\nContent-Length: 28\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
  ["ends its lines with LF alone", `HTTP/1.1 200 OK\nContent-Length: 28\n\n${BODY}`],
  [
    "has a blank before a colon",
    `HTTP/1.1 200 OK\r\nX-Foo : bar\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
  ["has no reason phrase", `HTTP/1.1 200\r\nContent-Length: 28\r\n\r\n${BODY}`],
  ["is HTTP/1.0", `HTTP/1.0 200 OK\r\nContent-Length: 28\r\n\r\n${BODY}`],
  [
    "comes after 103 Early Hints",
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
  [
    "has extensions of its chunks, and trailers",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1c;a=b\r\n${BODY}\r\n0\r\nX-Sum: 1\r\n\r\n`,
  ],
  [
    "comes after 103 Early Hints and 100 Continue",
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
  [
    "comes after 100 Continue, whose lines end with LF alone",
    `HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: 28\n\n${BODY}`,
  ],
  [
    "comes after 100 Continue, which was not asked for",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
  ["folds a header", `HTTP/1.1 200 OK\r\nX-Foo: a\r\n  b\r\nContent-Length: 28\r\n\r\n${BODY}`],
  ["lists equal lengths", `HTTP/1.1 200 OK\r\nContent-Length: 28, 28\r\n\r\n${BODY}`],
  [
    "names the transfer coding that is none",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
  ["ends the lines of its chunks with LF alone", withChunks(`1c\n${BODY}\n0\n\n`)],
  ["ends the sizes of its chunks with LF alone", withChunks(`1c\n${BODY}\r\n0\r\n\r\n`)],
  ["ends the data of its chunks with LF alone", withChunks(`1c\r\n${BODY}\n0\r\n\r\n`)],
  ["has blanks behind the sizes of its chunks", withChunks(`1c  \r\n${BODY}\r\n0\r\n\r\n`)],
  ["has a header without a name", `HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 28\r\n\r\n${BODY}`],
  [
    "has a blank in the name of a header",
    `HTTP/1.1 200 OK\r\nX Foo: a\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
  ["has a plus before its length", `HTTP/1.1 200 OK\r\nContent-Length: +28\r\n\r\n${BODY}`],
  ["is said to be HTTP/2", `HTTP/2 200 OK\r\nContent-Length: 28\r\n\r\n${BODY}`],
  ["is said to be http/1.1", `http/1.1 200 OK\r\nContent-Length: 28\r\n\r\n${BODY}`],
];

/** curl and browsers differ about these, or neither reads them; what they mean is clear. */
const CLEAR: readonly (readonly [what: string, answer: string | Buffer])[] = [
  [
    "has a line without a colon in its head",
    `HTTP/1.1 200 OK\r\nNonsense\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
  ["is compressed by a transfer coding", inChunks("Transfer-Encoding: gzip, chunked", GZIP)],
  [
    "is compressed by a transfer coding in a header of its own",
    inChunks("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", GZIP),
  ],
  ["is compressed and does not say so", inChunks("Transfer-Encoding: chunked", GZIP)],
];

function titled(reading: string, odd: typeof ODD): readonly WireCase[] {
  return odd.map(([what, answer]) => ({
    title: `an upstream's answer that ${what} is read ${reading}`,
    sources: ["openstreetmap/operations#910", "curl/curl#7649", "curl/curl#7655"],
    answer,
  }));
}

export const WIRE: readonly WireCase[] = [
  ...titled("as curl and browsers do", ODD),
  ...titled("since it is clear", CLEAR),
];
