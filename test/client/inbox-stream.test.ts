import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Ringback, type RingbackOptions } from "../../src/client/ringback.ts";
import { EventParser, EventTooLongError } from "../../src/client/server-sent-events.ts";
import { ApiFixture, problemOf } from "../api/api-fixture.ts";

/* The messages of an inbox as the client streams them, over connections that break. */

interface Asked {
  readonly search: string;
  readonly headers: Readonly<Record<string, string>>;
}

const event = (id: string) => `id: ${id}\ndata: {"webhook_id":"msg_${id}","cursor":"${id}"}\n\n`;

/** How one connection goes: what it sends, and whether it then breaks, ends or says nothing more. */
type Connection = readonly [text: string, then: "breaks" | "ends" | "hangs"] | Response;

function createScene(connections: readonly Connection[], options: Partial<RingbackOptions> = {}) {
  const asked: Asked[] = [];
  const slept: number[] = [];
  let left = 0;
  const coming = [...connections];
  const ringback = new Ringback({
    url: "http://127.0.0.1:1",
    apiKey: "rb_test",
    random: () => 1,
    sleep: (ms, signal) => {
      // Silence passes only where the connection hangs.
      const isSilence = ms === 45_000;
      if (!isSilence) slept.push(ms);
      return isSilence && !isHanging
        ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error())))
        : Promise.resolve();
    },
    fetch: async (url, { headers, signal }) => {
      asked.push({ search: new URL(url).search, headers: headers as Record<string, string> });
      const connection = coming.shift();
      if (connection === undefined) throw new Error("The script has ended.");
      if (connection instanceof Response) return connection;
      const [text, then] = connection;
      const pieces = text === "" ? [] : [text];
      const body = new ReadableStream<Uint8Array>(
        {
          start(controller) {
            signal?.addEventListener("abort", () => {
              isHanging = false;
              left += 1;
              controller.error(new Error("aborted"));
            });
          },
          pull(controller) {
            const piece = pieces.shift();
            if (piece !== undefined) controller.enqueue(new TextEncoder().encode(piece));
            else if (then === "breaks") controller.error(new Error("reset"));
            else if (then === "ends") controller.close();
            else isHanging = true;
          },
        },
        { highWaterMark: 0 },
      );
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    },
    ...options,
  });
  let isHanging = false;
  return { ringback, asked, slept, left: () => left };
}

async function take(ringback: Ringback, count: number, options = {}): Promise<string[]> {
  const ids: string[] = [];
  for await (const { cursor } of ringback.inboxes.stream("orders", options)) {
    ids.push(cursor);
    if (ids.length === count) break;
  }
  return ids;
}

describe("a stream", () => {
  test("an inbox stream that breaks, ends or falls silent continues after the last message", async () => {
    const { ringback, asked } = createScene([
      [`retry: 1000\n\n${event("1")}${event("2")}id: 3\nda`, "breaks"],
      [`: no message yet\n\n${event("3")}`, "ends"],
      [event("4"), "hangs"],
      [event("5"), "ends"],
    ]);
    const start = { consumer: "worker", cursor: "0" };
    expect(await take(ringback, 5, start)).toEqual(["1", "2", "3", "4", "5"]);
    expect(asked.map(({ headers }) => headers["last-event-id"])).toEqual([
      undefined,
      "2",
      "3",
      "4",
    ]);
    expect(asked.map(({ search }) => search)).toEqual([
      "?consumer=worker&cursor=0",
      "?consumer=worker",
      "?consumer=worker",
      "?consumer=worker",
    ]);
    expect(asked[0]?.headers).toMatchObject({
      accept: "text/event-stream",
      authorization: "Bearer rb_test",
    });
  });

  test("an inbox stream waits longer after each failed connection, and gives up on permanent failures", async () => {
    const busy = () => Response.json({ code: "overloaded", detail: "Busy." }, PROBLEM(503));
    const gone = Response.json({ code: "not_found", detail: "None." }, PROBLEM(404));
    const { ringback, slept } = createScene([busy(), busy(), gone]);
    await expect(take(ringback, 1)).rejects.toMatchObject({ code: "not_found" });
    expect(slept).toEqual([500, 1000]);
  });

  test.each<[string, Connection]>([
    ["a page of another program", Response.json({ ok: true })],
    ["an event that is no message", ["id: 1\ndata: <p>\n\n", "hangs"]],
  ])("an inbox stream fails at %s, and says what to check", async (_, connection) => {
    const { ringback } = createScene([connection]);
    await expect(take(ringback, 1)).rejects.toMatchObject({
      name: "RingbackError",
      code: "unexpected_answer",
      message: expect.stringContaining("Check the gateway's address."),
    });
  });

  test("an inbox stream ends when its loop is left", async () => {
    const { ringback, left } = createScene([[event("1"), "hangs"]]);
    await take(ringback, 1);
    expect(left()).toBe(1);
  });

  test("an inbox stream ends with the caller's signal", async () => {
    const { ringback } = createScene([[event("1"), "ends"]]);
    const leaving = new AbortController();
    const reading = (async () => {
      for await (const _ of ringback.inboxes.stream("orders", { signal: leaving.signal })) {
        leaving.abort(new Error("enough"));
      }
    })();
    await expect(reading).rejects.toThrow("enough");
  });
});

const PROBLEM = (status: number) => ({
  status,
  headers: { "content-type": "application/problem+json" },
});

describe("events", () => {
  test("server-sent events are assembled however the stream is cut into chunks", () => {
    const text = `retry: 5\r\n\r\n: hi\n\nid:a\r\ndata: {"ü":\ndata: "🙂"}\r\n\r\nid: b\rdata\rdata: x\r\r`;
    const expected = [
      { id: "a", data: '{"ü":\n"🙂"}' },
      { id: "b", data: "\nx" },
    ];
    const bytes = new TextEncoder().encode(`${text}\n`);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const parser = new EventParser(1_000);
      const events = [];
      for (let at = 0; at < bytes.length; at += size) {
        events.push(...parser.push(bytes.slice(at, at + size)));
      }
      expect(events).toEqual(expected);
    }
  });

  test("a server-sent event without bound is not kept", () => {
    const parser = new EventParser(100);
    expect(() => parser.push(new TextEncoder().encode("data: ".padEnd(200, "x")))).toThrow(
      EventTooLongError,
    );
  });
});

describe("at a gateway", () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await ApiFixture.open();
  });
  afterEach(() => api.inboxFeed.beginStopping());
  afterAll(() => api.close());

  test("an inbox stream of a gateway brings the messages in order, each with its cursor to acknowledge", async () => {
    const webhookIds: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      const { id } = await api.subscribe({ callback_url: undefined, inbox: "orders" });
      const { deliveryId } = await api.end(id, { result: "1.10" });
      webhookIds.push(`msg_${deliveryId?.replaceAll("-", "")}`);
    }
    const apiKey = await api.addKey(["subscriptions:read", "subscriptions:write"]);
    const fetch = async (url: string, init: RequestInit) => api.app.request(url, init);
    const ringback = new Ringback({ url: "http://127.0.0.1", apiKey, fetch });
    const got: string[] = [];
    for await (const message of ringback.inboxes.stream("orders", { consumer: "worker" })) {
      got.push(message.webhook_id);
      expect(message.body).toContain('"result":1.10');
      await ringback.inboxes.ack("orders", "worker", message.cursor);
      if (got.length === 3) break;
    }
    expect(got).toEqual(webhookIds);
    const missing = await api.request("GET", "/v1/inboxes/none/stream");
    expect(await problemOf(missing)).toMatchObject({ code: "not_found" });
    const none = ringback.inboxes.stream("none").next();
    await expect(none).rejects.toMatchObject({ code: "not_found", status: 404 });
  });
});
