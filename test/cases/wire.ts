/* Answers of upstreams whose bytes matter. */

interface WireCase {
  /** The guarantee. */
  readonly title: string;
  readonly sources: readonly string[];
  /** Every byte of the answer. */
  readonly answer: string;
}

const BODY = '{"status":"done","output":1}';
const CHUNKS = `1c\r\n${BODY}\r\n0\r\n\r\n`;

const ODD: readonly (readonly [what: string, answer: string])[] = [
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
    "comes after 100 Continue, which was not asked for",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
  ["folds a header", `HTTP/1.1 200 OK\r\nX-Foo: a\r\n  b\r\nContent-Length: 28\r\n\r\n${BODY}`],
  ["lists equal lengths", `HTTP/1.1 200 OK\r\nContent-Length: 28, 28\r\n\r\n${BODY}`],
  [
    "names the transfer coding that is none",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
];

export const WIRE: readonly WireCase[] = ODD.map(([what, answer]) => ({
  title: `an upstream's answer that ${what} is read as curl and browsers do`,
  sources: ["openstreetmap/operations#910", "curl/curl#7649", "curl/curl#7655"],
  answer,
}));
