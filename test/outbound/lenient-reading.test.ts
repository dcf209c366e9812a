import { describe, expect, test } from "vitest";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import { get, openClient, post, serveTcp } from "./local-servers.ts";

const BODY = '{"status":"done","result":1}';
const CHUNKED = `1c\r\n${BODY}\r\n0\r\n\r\n`;

const ODD: [name: string, answer: string][] = [
  [
    "chunks and a length",
    `HTTP/1.1 200 OK\r\nContent-Length: 28\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED}`,
  ],
  [
    "chunks and a wrong length",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${CHUNKED}`,
  ],
  [
    "its length twice",
    `HTTP/1.1 200 OK\r\nContent-Length: 28\r\ncontent-length:28 \r\n\r\n${BODY}`,
  ],
  ["lines that end with LF", `HTTP/1.1 200 OK\nContent-Length: 28\n\n${BODY}`],
  [
    "a blank before a colon",
    `HTTP/1.1 200 OK\r\nX-Foo : bar\r\nContent-Length : 28\r\n\r\n${BODY}`,
  ],
  [
    "chunks whose lines end with LF",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\n{\n1B \n${BODY.slice(1)}\n0\nX-Sum: 1\n\n`,
  ],
  [
    "an announcement before",
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nX-Foo : bar\r\nContent-Length: 28\r\n\r\n${BODY}`,
  ],
];

function textOf(outcome: RequestOutcome): string {
  return outcome.kind === "answered" ? outcome.body.toString() : outcome.failure.code;
}

describe("an upstream's answer with", () => {
  test.each(ODD)(
    "an upstream's answer with %s is read as curl does, also byte by byte",
    async (_, answer) => {
      const server = await serveTcp((socket) => socket.write(answer));
      const client = openClient();
      const request = get(server.origin, { readsLeniently: true });
      expect(textOf(await client.send(request))).toBe(BODY);
      // It is known by now, and no connection serves twice.
      const before = server.sockets.length;
      expect(textOf(await client.send(request))).toBe(BODY);
      expect(textOf(await client.send(request))).toBe(BODY);
      expect(server.sockets.length).toBe(before + 2);
    },
  );

  test("an upstream's answer with a head in pieces is put together", async () => {
    const [, answer] = ODD[0] ?? [];
    const server = await serveTcp((socket) => {
      const pieces = (answer ?? "").match(/[^]{1,7}/g) ?? [];
      const next = (): void => {
        const piece = pieces.shift();
        if (piece !== undefined) socket.write(piece, () => setImmediate(next));
      };
      next();
    });
    const request = get(server.origin, { readsLeniently: true });
    expect(textOf(await openClient().send(request))).toBe(BODY);
  });

  test.each([
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} "],
    ["another protocol", "SSH-2.0-OpenSSH_9.9\r\n"],
    ["a chunk of no length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
  ])(
    "an upstream's answer with %s stays invalid and is requested at most twice",
    async (_, answer) => {
      let asked = 0;
      const server = await serveTcp((socket) => {
        asked += 1;
        socket.write(answer);
      });
      const client = openClient();
      const request = get(server.origin, { readsLeniently: true });
      expect(textOf(await client.send(request))).toBe("invalid_response");
      expect(textOf(await client.send(request))).toBe("invalid_response");
      expect(asked).toBeLessThanOrEqual(3);
    },
  );
});

test("an answer whose chunks are cut off is not asked for twice, and is no reason to read leniently", async () => {
  const server = await serveTcp((socket) =>
    socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n${BODY}\r\n`),
  );
  const request = get(server.origin, { readsLeniently: true });
  expect(textOf(await openClient().send(request))).toBe("connection_reset");
  expect(server.sockets.length).toBe(1);
});

test("an answer that is asked for again after a part of its body holds nothing of that part", async () => {
  const chunks = (body: string) => `1\r\n${body[0]}\r\n1B\r\n${body.slice(1)}\n0\r\n\r\n`;
  let asked = 0;
  const server = await serveTcp((socket) => {
    asked += 1;
    const body = asked === 1 ? BODY.replace("done", "DONE") : BODY;
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks(body)}`);
  });
  const request = get(server.origin, { readsLeniently: true });
  expect(textOf(await openClient().send(request))).toBe(BODY);
  expect(asked).toBe(2);
});

test("a second answer that a lenient head smuggles in is never taken for another's", async () => {
  const smuggled = `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray`;
  const server = await serveTcp((socket) =>
    socket.write(`HTTP/1.1 200 OK\r\nX-Foo : bar\r\nContent-Length: 28\r\n\r\n${BODY}${smuggled}`),
  );
  const client = openClient({ connectionsPerOriginMax: 1 });
  const request = get(server.origin, { readsLeniently: true });
  for (let count = 0; count < 4; count += 1) {
    expect(textOf(await client.send(request))).toBe(BODY);
  }
});

test("a callback's receiver is read strictly, and nothing that changes something is sent twice", async () => {
  let asked = 0;
  const server = await serveTcp((socket) => {
    asked += 1;
    socket.write(ODD[4]?.[1] ?? "");
  });
  const client = openClient();
  expect(textOf(await client.send(get(server.origin)))).toBe("invalid_response");
  const cancel = post(server.origin, { readsLeniently: true });
  expect(textOf(await client.send(cancel))).toBe("invalid_response");
  expect(asked).toBe(2);
});

test("an answer that one project had to read leniently is read strictly first for another", async () => {
  const server = await serveTcp((socket) => socket.write(ODD[4]?.[1] ?? ""));
  const client = openClient();
  const send = (projectId: string) =>
    client.send(get(server.origin, { readsLeniently: true, projectId }));
  await send("one");
  const before = server.sockets.length;
  expect(textOf(await send("one"))).toBe(BODY);
  expect(server.sockets.length).toBe(before + 1);
  expect(textOf(await send("another"))).toBe(BODY);
  // The strict try, and the lenient one.
  expect(server.sockets.length).toBe(before + 3);
});
