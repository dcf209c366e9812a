import { expect } from "vitest";
import type { ReceiverCase } from "./receiver-walk.ts";
import { NOW_S } from "./upstream-walk.ts";

/* Receivers of callbacks as people reported them. */

const IN_4_S = NOW_S + 4;
const TAKEN = [{ status: "delivered", httpStatus: 200, errorCode: null }];

const EPOCHS: readonly (readonly [unit: string, value: string])[] = [
  ["seconds", `${IN_4_S}`],
  ["milliseconds", `${IN_4_S}000`],
  ["microseconds", `${IN_4_S}000000`],
  ["nanoseconds", `${IN_4_S}000000000`],
];

const OF_WAITS: readonly ReceiverCase[] = [
  ...EPOCHS.map(([unit, value]) => ({
    title: `a receiver whose Retry-After holds ${unit} since 1970 is called again after the four seconds that it means`,
    sources: ["openclaw/clawhub#407", "mvanhorn/cli-printing-press#542"],
    behaves: [{ status: 429, headers: { "retry-after": value } }, { status: 200 }],
    retryScheduleS: [1],
    attempts: [{ httpStatus: 429, errorCode: "rate_limited" }, ...TAKEN],
    waitsS: [4, 4.5] as const,
  })),
  ...["99999999", "Fri, 01 Jan 2100 00:00:00 GMT", "soon", "-5"].map((value) => ({
    title: `a receiver whose Retry-After says ${value}, which can't be meant, is called again by the schedule`,
    sources: ["edgefirst-dev/worker-kv-rate-limit#14"],
    behaves: [{ status: 429, headers: { "retry-after": value } }, { status: 200 }],
    retryScheduleS: [10],
    attempts: [{ httpStatus: 429 }, ...TAKEN],
    waitsS: [8, 12] as const,
  })),
  {
    title: "an attempt keeps a Retry-After that can't be meant as it is written",
    sources: ["edgefirst-dev/worker-kv-rate-limit#14"],
    behaves: [{ status: 503, headers: { "retry-after": "99999999" } }],
    attempts: [
      {
        httpStatus: 503,
        errorMessage: expect.stringContaining("retry-after: 99999999, which can't be meant"),
      },
    ],
  },
];

const FRAMED_TWICE =
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

const RAW: readonly (readonly [what: string, raw: string])[] = [
  ["has a length beside its chunks", FRAMED_TWICE],
  ["names its length twice", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"],
  ["has no reason phrase", "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n"],
  ["is HTTP/1.0", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"],
  [
    "comes after 103 Early Hints",
    "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
  ],
  [
    "has extensions of its chunks, and trailers",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nx-sum: 1\r\n\r\n",
  ],
  [
    "comes after 103 Early Hints and 100 Continue",
    "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
  ],
  ["is said to be HTTP/2", "HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n"],
  ["is said to be http/1.1", "http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"],
  [
    "comes after 100 Continue, which was not asked for",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
  ],
  ["has more headers than are read", `HTTP/1.1 200 OK\r\nx-a: ${"a".repeat(100_000)}\r\n\r\n`],
  ["ends within its headers", "HTTP/1.1 200 OK\r\nx-a: b\r\n"],
  ["ends with its status line", "HTTP/1.1 200 OK\r\n"],
];

const OF_ANSWERS: readonly ReceiverCase[] = [
  ...RAW.map(([what, raw]) => ({
    title: `a receiver that says 200 has taken the callback, though its answer ${what}`,
    sources: ["openstreetmap/operations#910", "curl/curl#7649", "curl/curl#7655"],
    behaves: [{ raw }],
    attempts: TAKEN,
    heard: 1,
  })),
  {
    title: "a receiver that says 200 and streams on has taken the callback",
    sources: [],
    behaves: [
      (_, response) => {
        response.writeHead(200);
        response.write("and so on ".repeat(3000));
      },
    ],
    attempts: TAKEN,
    heard: 1,
  },
  {
    title: "a receiver whose 100 Continue comes twice before its 200 has taken the callback",
    sources: [],
    behaves: [
      ({ socket }) => {
        const continues = "HTTP/1.1 100 Continue\r\nx-a: b\r\n\r\nHTTP/1.1 100 \r\n\r\n";
        socket.write(`${continues}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n`);
      },
    ],
    attempts: TAKEN,
    heard: 1,
  },
  ...[520, 600, 999].map((status) => ({
    title: `a receiver that answers with the odd status ${status} is called again`,
    sources: [],
    behaves: [
      { raw: `HTTP/1.1 ${status} Odd\r\nconnection: close\r\ncontent-length: 0\r\n\r\n` },
      { status: 200 },
    ],
    retryScheduleS: [1],
    attempts: [{ httpStatus: status }, ...TAKEN],
    heard: 2,
  })),
  {
    title: "an attempt that a receiver redirects keeps where to, and follows it nowhere",
    sources: ["vercel/next.js#15867", "triggerdotdev/trigger.dev#543", "saleor/storefront#597"],
    behaves: [
      {
        status: 308,
        headers: { location: "https://www.foo.example/api/hook/?token=secret" },
      },
    ],
    attempts: [
      {
        status: "exhausted",
        httpStatus: 308,
        errorCode: "redirect_not_followed",
        errorMessage: expect.stringContaining("redirects to https://www.foo.example/api/hook/…"),
      },
    ],
  },
  {
    title: "a receiver that finds the body too large gets the next one without the result",
    sources: ["Shopify/shopify-app-js#233", "baserow/baserow#1358"],
    behaves: [{ status: 413 }, { status: 200 }],
    result: JSON.stringify({ text: "x".repeat(150_000) }),
    retryScheduleS: [1],
    attempts: [
      { httpStatus: 413, errorMessage: expect.stringContaining("carries result_url") },
      ...TAKEN,
    ],
    heard: 2,
    data: { result_url: expect.stringContaining("/result") },
  },
  {
    title: "a receiver that answers 413 early and closes the connection is known to have said 413",
    sources: ["baserow/baserow#1358"],
    behaves: [
      (request, response) => {
        response.writeHead(413, { connection: "close" }).end(() => request.socket.destroy());
      },
      { status: 200 },
    ],
    retryScheduleS: [1],
    attempts: [{ httpStatus: 413 }, ...TAKEN],
  },
  {
    title: "the response of a receiver with a format of its own is kept",
    sources: [
      "ConsortiumGARR/tcs-garr#8",
      "datocms/product-roadmap#77",
      "freescout-help-desk/freescout#4667",
    ],
    behaves: [{ status: 400, body: "no_text" }],
    attempts: [{ status: "exhausted", httpStatus: 400, responseExcerpt: "no_text" }],
  },
];

export const RECEIVERS = [...OF_WAITS, ...OF_ANSWERS];
