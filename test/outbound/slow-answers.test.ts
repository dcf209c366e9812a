import type { Socket } from "node:net";
import { expect, test, vi } from "vitest";
import type { RequestClient } from "../../src/outbound/request-client.ts";
import type {
  OutboundRequest,
  RequestOutcome,
} from "../../src/outbound/exchange/request-outcome.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { get, openClient, post, serveTcp } from "./local-servers.ts";

const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000000\r\n\r\n";
const TICK_MS = 100;
const WINDOW_MS = 30_000;

/** An upstream that has sent the head of its answer, on a clock that the test moves. */
async function begun(changes: Partial<OutboundRequest> = {}, make = get) {
  const clock = new FakeClock();
  const sockets: Socket[] = [];
  const server = await serveTcp((socket) => {
    sockets.push(socket);
    socket.write(HEAD);
  });
  const client: RequestClient = openClient({ clock, bytesPerSecondMin: 1024 });
  let taken = 0;
  let begins = 0;
  let room: Promise<void> | null = null;
  const sink = {
    begin: () => void (begins += 1),
    take(chunk: Buffer): Promise<void> | null {
      taken += chunk.length;
      return room;
    },
  };
  const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
  const request = make(server.origin, { timeoutMs: 600_000, sink, ...changes });
  void client.send(request).then(resolve);
  await vi.waitFor(() => expect(begins).toBe(1), { timeout: 60_000 });
  return {
    clock,
    outcome: promise,
    /** Sends so much, and waits until it is here. */
    async come(bytes: number): Promise<void> {
      const before = taken;
      sockets[0]?.write(Buffer.alloc(bytes));
      await vi.waitFor(() => expect(taken).toBe(before + bytes), { timeout: 60_000 });
    },
    /** Nothing more is read after the next piece, until the function returned is called. */
    holdUp(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      room = promise;
      return () => {
        room = null;
        resolve();
      };
    },
    async isOver(): Promise<boolean> {
      return Promise.race([promise.then(() => true), clock.advanceSettling(0).then(() => false)]);
    },
  };
}

test("an answer that comes more slowly than at the least rate ends after half a minute", async () => {
  const { clock, come, outcome, isOver } = await begun();
  clock.advance(TICK_MS);
  await come(30_719);
  clock.advance(WINDOW_MS - TICK_MS);
  expect(await isOver()).toBe(false);
  clock.advance(TICK_MS);
  expect(await outcome).toMatchObject({
    kind: "failed",
    failure: {
      code: "response_too_slow",
      message: expect.stringContaining("fewer than 1024 bytes a second over 30 s"),
    },
  });
});

test("one that comes fast enough goes on, and is measured again and again", async () => {
  const { clock, come, outcome, isOver } = await begun();
  clock.advance(TICK_MS);
  for (let window = 0; window < 3; window += 1) {
    await come(30_720);
    clock.advance(WINDOW_MS);
    expect(await isOver()).toBe(false);
  }
  clock.advance(WINDOW_MS);
  expect(await outcome).toMatchObject({ failure: { code: "response_too_slow" } });
});

test("the time does not count for which it was asked to be held back", async () => {
  const { clock, outcome, isOver } = await begun({ mayHoldBackMs: 60_000 });
  clock.advance(60_000 + WINDOW_MS - TICK_MS);
  expect(await isOver()).toBe(false);
  clock.advance(2 * TICK_MS);
  expect(await outcome).toMatchObject({ failure: { code: "response_too_slow" } });
});

test("the time does not count in which this side reads nothing, and all before and after it does", async () => {
  const { clock, come, outcome, isOver, holdUp } = await begun();
  clock.advance(TICK_MS);
  clock.advance(WINDOW_MS / 2);
  const readOn = holdUp();
  await come(1);
  clock.advance(10 * WINDOW_MS);
  expect(await isOver()).toBe(false);
  readOn();
  await clock.advanceSettling(WINDOW_MS / 2 - TICK_MS);
  expect(await isOver()).toBe(false);
  await clock.advanceSettling(TICK_MS);
  expect(await outcome).toMatchObject({ failure: { code: "response_too_slow" } });
});

test("an answer that begins with a pause is measured from its end", async () => {
  const { clock, come, outcome, isOver, holdUp } = await begun();
  const readOn = holdUp();
  await come(1);
  clock.advance(10 * WINDOW_MS);
  readOn();
  // The first look after it.
  await clock.advanceSettling(TICK_MS);
  await clock.advanceSettling(WINDOW_MS - TICK_MS);
  expect(await isOver()).toBe(false);
  await clock.advanceSettling(2 * TICK_MS);
  expect(await outcome).toMatchObject({ failure: { code: "response_too_slow" } });
});

test("a callback whose status has come is taken, however slow the rest is", async () => {
  const clock = new FakeClock();
  const received = vi.fn<() => void>();
  const server = await serveTcp((socket) => {
    socket.write(`${HEAD}1`, received);
  });
  const client = openClient({ clock, bytesPerSecondMin: 1024 });
  const outcome = client.send(post(server.origin, { timeoutMs: 1e9, statusSuffices: true }));
  await vi.waitFor(() => expect(received).toHaveBeenCalled(), { timeout: 60_000 });
  const settled = vi.fn<() => void>();
  void outcome.then(settled);
  // The head is on its way for a moment.
  await vi.waitFor(
    () => {
      clock.advance(WINDOW_MS + TICK_MS);
      expect(settled).toHaveBeenCalled();
    },
    { timeout: 60_000 },
  );
  expect(await outcome).toMatchObject({ kind: "answered", status: 200, truncated: true });
});
