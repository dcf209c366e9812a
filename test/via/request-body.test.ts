import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { arrivedBody, RequestBody } from "../../src/via/request-body.ts";
import { RawServer } from "../support/raw-server.ts";

test("a small body that arrives with its head is taken at once, and the connection serves the next request", async (context) => {
  const taken: (string | undefined)[] = [];
  const server = new RawServer(async (request, response) => {
    await Promise.resolve();
    taken.push(arrivedBody(request)?.toString());
    response.end();
  });
  await server.open();
  context.onTestFinished(() => server.close());
  const socket = connect(Number(new URL(server.origin).port), "127.0.0.1");
  context.onTestFinished(() => void socket.destroy());
  for (const body of ["first", "second"]) {
    const answered = Promise.withResolvers<void>();
    socket.once("data", () => answered.resolve());
    socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await answered.promise;
  }
  expect(taken).toEqual(["first", "second"]);
});

test("every part of a body that streams is counted as a buffer that was passed on", async (context) => {
  const parts: number[] = [];
  const server = new RawServer(async (request, response) => {
    const body = new RequestBody(
      request,
      { passed: (bytes) => parts.push(bytes) },
      () => undefined,
    );
    body.resume();
    await once(body, "end");
    response.end();
  });
  await server.open();
  context.onTestFinished(() => server.close());
  const sent = await fetch(server.origin, { method: "POST", body: "x".repeat(300_000) });
  expect(sent.status).toBe(200);
  expect(parts.reduce((sum, bytes) => sum + bytes, 0)).toBe(300_000);
});
