import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TestContext } from "vitest";
import { describe, expect, test, vi } from "vitest";
import { MemoryBudget } from "../../src/lanes/shares/memory-budget.ts";
import type { RelayedHead } from "../../src/outbound/exchange/relayed-exchange.ts";
import { SystemClock } from "../../src/runtime/clock.ts";
import { LOOKED_AT_BYTES_MAX, Relay, type HeldBody } from "../../src/via/relay.ts";

const KIB = 1024;
const HEAD: RelayedHead = { status: 200, statusText: "OK", headers: {}, rawHeaders: [] };

/** A budget for one large answer at a time, and requests of clients to relay answers to. */
async function open(context: TestContext) {
  const memory = new MemoryBudget<Relay>({
    resource: "held_answer_bytes",
    bytesFree: 64 * KIB,
    bytesMax: LOOKED_AT_BYTES_MAX,
    bytesPerGroupMax: () => LOOKED_AT_BYTES_MAX,
    groupOf: ({ projectId }) => projectId,
  });
  const clock = new SystemClock({ wall: () => Date.now(), monotonic: () => performance.now() });
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  context.onTestFinished(() => void server.close());
  const begin = async (head = HEAD, isHeld = true, whole: Buffer | null = null) => {
    const exchange = once(server, "request") as Promise<[IncomingMessage, ServerResponse]>;
    const answered = fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const [request, response] = await exchange;
    const writes = vi.spyOn(response, "write");
    const looks: HeldBody[] = [];
    const resumed = Promise.withResolvers<void>();
    const relay = new Relay(request, response, {
      sent: () => undefined,
      head: () => isHeld,
      received: () => undefined,
      look: (_, body) => {
        looks.push(body);
        return Promise.resolve({ "x-looked": String(body.bytes.length) });
      },
      through: () => ({ from: "http://a", to: "http://b" }),
      added: {},
      projectId: "p",
      memory,
      clock,
    });
    const { resolve } = resumed;
    // The rest of an exchange is nothing to a relay.
    relay.begin({ resume: resolve, abort: () => undefined });
    relay.head(head);
    if (whole !== null) {
      relay.data(whole);
      relay.end([]);
    }
    return { relay, answered, looks, writes, resumed: resumed.promise };
  };
  return { memory, begin };
}

test("an answer whose trailers can't be passed on is cut off", async (context) => {
  const { begin } = await open(context);
  const rawHeaders = ["transfer-encoding", "chunked", "trailer", "x-sum"];
  const { relay, answered } = await begin({ ...HEAD, rawHeaders }, false);
  relay.data(Buffer.from("{}"));
  const body = (await answered).text();
  const lost = expect(body).rejects.toThrow("terminated");
  relay.end(["x-sum", "a\u0001b"]);
  expect(await relay.outcome).toMatchObject({ kind: "cut", failure: { code: "invalid_response" } });
  await lost;
});

test("a small answer that comes whole is written at once, and the first bytes of one that does not", async (context) => {
  const { begin } = await open(context);
  const rawHeaders = ["content-length", "2"];
  const whole = await begin({ ...HEAD, rawHeaders }, false, Buffer.from("{}"));
  expect(whole.writes).not.toHaveBeenCalled();
  expect(await whole.relay.outcome).toEqual({ kind: "answered", status: 200, bytes: 2 });
  expect(await (await whole.answered).text()).toBe("{}");
  const begun = await begin(HEAD, false);
  begun.relay.data(Buffer.from("data: 1\n\n"));
  const { body } = await begun.answered;
  const reader = body?.getReader();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("data: 1\n\n");
  begun.relay.data(Buffer.from("data: 2\n\n"));
  begun.relay.end([]);
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("data: 2\n\n");
  expect(await begun.relay.outcome).toEqual({ kind: "answered", status: 200, bytes: 18 });
});

describe("answers that are held", () => {
  test("a held answer whose headers can't be passed on is cut off, and gives its memory back", async (context) => {
    const { memory, begin } = await open(context);
    const { relay, answered } = await begin({ ...HEAD, rawHeaders: ["x-name", "a\u0001b"] });
    const lost = expect(answered).rejects.toThrow("fetch failed");
    relay.data(Buffer.from("{}"));
    relay.end([]);
    expect(await relay.outcome).toMatchObject({
      kind: "cut",
      failure: { code: "invalid_response", message: expect.stringContaining("x-name") },
    });
    await lost;
    expect(memory.bytesFree).toBe(64 * KIB);
  });

  test("held answers share a budget of memory: one that finds none waits until there is", async (context) => {
    const { memory, begin } = await open(context);
    const [one, two] = [await begin(), await begin()];
    expect(one.relay.data(Buffer.alloc(64 * KIB))).toBe(true);
    expect(two.relay.data(Buffer.alloc(64 * KIB))).toBe(true);
    expect(memory.heldBy("p")).toBe(0);
    expect(one.relay.data(Buffer.alloc(1))).toBe(true);
    expect(two.relay.data(Buffer.alloc(1))).toBe(false);
    expect(memory.heldBy("p")).toBe(LOOKED_AT_BYTES_MAX);
    one.relay.end([]);
    await two.resumed;
    expect(two.relay.data(Buffer.alloc(1))).toBe(true);
    two.relay.end([]);
    for (const { answered } of [one, two]) await (await answered).arrayBuffer();
    await expect.poll(() => memory.heldBy("p")).toBe(0);
    expect([one, two].map(({ looks }) => looks.map(({ isWhole }) => isWhole))).toEqual([
      [true],
      [true],
    ]);
  });

  test("held answers free their memory when their client leaves", async (context) => {
    const { memory, begin } = await open(context);
    const { relay, answered } = await begin();
    relay.data(Buffer.alloc(100 * KIB));
    relay.failed({ code: "connection_reset", message: "x" });
    const body = answered.then((response) => response.arrayBuffer());
    await expect(body).rejects.toThrow(/fetch failed|terminated/);
    await expect.poll(() => memory.heldBy("p")).toBe(0);
  });

  test("held answers are inspected up to their limit, and relayed whole", async (context) => {
    const { begin } = await open(context);
    const { relay, answered, looks, resumed } = await begin();
    expect(relay.data(Buffer.alloc(LOOKED_AT_BYTES_MAX, "a"))).toBe(false);
    const response = await answered;
    expect(looks).toMatchObject([{ isWhole: false, isCrowded: false }]);
    await resumed;
    relay.data(Buffer.from("b"));
    relay.end([]);
    const { byteLength } = await response.arrayBuffer();
    expect(byteLength).toBe(LOOKED_AT_BYTES_MAX + 1);
  });
});
