import { describe, expect, test } from "vitest";
import { signedPost } from "../../src/delivery/attempt/post.ts";
import type {
  OutboundRequest,
  RequestOutcome,
} from "../../src/outbound/exchange/request-outcome.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { openClient, PROJECT, serveTcp } from "./local-servers.ts";

/** A callback, as all are sent. */
function callback(origin: string, changes: Partial<OutboundRequest> = {}): OutboundRequest {
  const request = signedPost({
    projectId: PROJECT,
    url: `${origin}/hook`,
    headers: {},
    body: "{}",
    webhookId: "msg_1",
    keys: [],
    nowMs: 0,
    userAgent: "test",
    timeoutMs: 60_000,
    responseBytesMax: 16 * 1024,
  });
  return { ...request, ...changes };
}

/** The outcome of a callback whose receiver answers with this; it closes the connection if `ends`. */
async function answered(raw: string, ends = false): Promise<RequestOutcome> {
  const server = await serveTcp((socket) => (ends ? socket.end(raw) : socket.write(raw)));
  return openClient().send(callback(server.origin));
}

describe("a receiver's status counts, whatever comes after it", () => {
  test.each([
    [
      "a length beside chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
    [
      "chunks beside a length",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 28\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
    ["two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"],
    ["a chunk of no known length", "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok"],
  ])("a receiver's status counts, whatever comes after it: %s", async (_name, raw) => {
    const outcome = await answered(raw);
    expect(outcome).toMatchObject({ kind: "answered" });
    expect([200, 204]).toContain(outcome.kind === "answered" && outcome.status);
  });

  test("a receiver's status counts although the body ends too soon", async () => {
    const raw = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    expect(await answered(raw, true)).toMatchObject({
      kind: "answered",
      status: 200,
      truncated: true,
      body: Buffer.from("half"),
    });
  });

  test("a receiver's error status counts as an error answer too", async () => {
    const raw = "HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\nlater";
    expect(await answered(raw, true)).toMatchObject({ kind: "answered", status: 503 });
  });

  test("a receiver's status counts although its body goes on beyond the time limit", async () => {
    const server = await serveTcp((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
    });
    const outcome = await openClient().send(callback(server.origin, { timeoutMs: 3_000 }));
    expect(outcome).toMatchObject({ kind: "answered", status: 200, body: Buffer.from("ok") });
  });

  test("without a status there is no answer of the receiver", async () => {
    const clock = new FakeClock();
    const answered = Promise.withResolvers<void>();
    const server = await serveTcp((socket) => {
      socket.write("HTTP/1.1 103 Early Hints\r\n\r\n");
      answered.resolve();
    });
    const sent = openClient({ clock }).send(callback(server.origin, { timeoutMs: 300 }));
    await answered.promise;
    clock.advance(400);
    const outcome = await sent;
    expect(outcome).toMatchObject({ kind: "failed", failure: { code: "response_timeout" } });
  });
});

test("a kept-alive connection found dead costs a callback nothing: the same is sent on a new one", async () => {
  const requests: string[] = [];
  const server = await serveTcp((socket, count, chunk) => {
    requests.push(/webhook-id: (\S+)/.exec(chunk.toString())?.[1] ?? "");
    if (server.sockets.length === 1 && count === 2) socket.end();
    else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  });
  const client = openClient();
  await client.send(callback(server.origin));
  expect(await client.send(callback(server.origin))).toMatchObject({ status: 200 });
  expect(requests).toEqual(["msg_1", "msg_1", "msg_1"]);
});
