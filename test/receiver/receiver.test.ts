import { createHash } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { signCallback, signingKey } from "../../src/delivery/attempt/sign.ts";
import {
  type CallbackEvent,
  createReceiver,
  memorySeen,
  type ReceiverOptions,
} from "../../src/receiver/receiver.ts";
import { EVENT_FIXTURE_TYPES, eventFixture } from "../../src/testing/fixtures.ts";
import { signedRequest } from "../../src/testing/signed-request.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const NOW_MS = Date.parse("2026-01-01T00:01:00.000Z");
const NUMBERS = String.raw`{"decimal":1.10,"integer":12345678901234567890,"text":"f\u00fcr a/b 🙂"}`;

/** A receiver that keeps what it is given. */
function createTestReceiver(options: Partial<ReceiverOptions> = {}) {
  const events: CallbackEvent[] = [];
  const errors: unknown[] = [];
  const receive = createReceiver({
    secret: SECRET,
    on: (event) => void events.push(event),
    onError: (error) => errors.push(error),
    now: () => NOW_MS,
    ...options,
  });
  return { receive, events, errors };
}

function signed(event: string, options: Parameters<typeof signedRequest>[2] = {}): Request {
  return signedRequest(event, SECRET, { nowMs: NOW_MS, ...options });
}

describe("a callback of each type", () => {
  test.each(EVENT_FIXTURE_TYPES)(
    "a callback of type %s reaches the one function, and its own",
    async (type) => {
      const { receive, events } = createTestReceiver();
      expect((await receive(signed(eventFixture(type), { id: "msg_1" }))).status).toBe(204);
      expect(events).toMatchObject([{ type, id: "msg_1", rawBody: eventFixture(type) }]);

      const own = vi.fn<() => void>();
      const listed = createTestReceiver({ on: { [type]: own } });
      expect((await listed.receive(signed(eventFixture(type)))).status).toBe(204);
      expect(own).toHaveBeenCalledOnce();
    },
  );

  test("a callback of an unlisted type is accepted", async () => {
    const { receive } = createTestReceiver({ on: {} });
    const later = eventFixture("job.failed").replace("job.failed", "job.later");
    const inherited = eventFixture("job.failed").replace("job.failed", "constructor");
    expect((await receive(signed(later))).status).toBe(204);
    expect((await receive(signed(inherited))).status).toBe(204);
  });
});

describe("forged callbacks are answered with 400", () => {
  const forged = (change: (headers: Headers) => void, body?: string): Request => {
    const { headers } = signed(eventFixture("job.completed"));
    change(headers);
    const text = body ?? eventFixture("job.completed");
    return new Request("https://app.example.com/hook", { method: "POST", headers, body: text });
  };
  const nothing = (): void => undefined;

  test.each<[string, Request, RegExp]>([
    [
      "another body",
      forged(nothing, eventFixture("job.completed").replace("1.10", "1.1")),
      /No signature matches/,
    ],
    [
      "another secret",
      signedRequest(eventFixture("job.completed"), OTHER_SECRET, { nowMs: NOW_MS }),
      /No signature matches/,
    ],
    ["another id", forged((headers) => headers.set("webhook-id", "msg_x")), /No signature/],
    [
      "another timestamp",
      forged((headers) => headers.set("webhook-timestamp", String(NOW_MS / 1000 - 1))),
      /No signature/,
    ],
    [
      "a timestamp that is no number",
      forged((headers) => headers.set("webhook-timestamp", "1e9")),
      /must be Unix seconds/,
    ],
    ["no signature", forged((headers) => headers.delete("webhook-signature")), /are needed/],
    ["an empty signature", forged((headers) => headers.set("webhook-signature", " ")), /needed/],
    ["a signature of no scheme", forged((h) => h.set("webhook-signature", "v2,AAAA")), /No sig/],
    [
      "a timestamp that is too old",
      signed(eventFixture("job.completed"), { nowMs: NOW_MS - 301_000 }),
      /301 s off: check the receiver's clock/,
    ],
    [
      "a timestamp that is too new",
      signed(eventFixture("job.completed"), { nowMs: NOW_MS + 301_000 }),
      /301 s off/,
    ],
    ["a body that is no event", signed("[1]"), /not an event/],
    ["a body that is no JSON", signed("{"), /not an event/],
  ])("a forged callback is answered with 400: %s", async (_, request, reason) => {
    const { receive, events, errors } = createTestReceiver();
    const answer = await receive(request);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toMatch(reason);
    expect({ events, errors }).toEqual({ events: [], errors: [] });
  });

  test("a body that is not UTF-8 is answered with 400", async () => {
    const { headers } = signed(eventFixture("job.completed"));
    const body = new Uint8Array([0x7b, 0xff, 0x7d]);
    const request = new Request("https://a.example", { method: "POST", headers, body });
    expect((await createTestReceiver().receive(request)).status).toBe(400);
  });

  test("a timestamp beyond a custom tolerance is answered with 400", async () => {
    const { receive } = createTestReceiver({ toleranceS: 600 });
    const late = signed(eventFixture("job.completed"), { nowMs: NOW_MS - 301_000 });
    expect((await receive(late)).status).toBe(204);
  });
});

describe("secrets", () => {
  test("one matching secret of several is enough, in any order of the signatures", async () => {
    const { receive } = createTestReceiver({ secret: [OTHER_SECRET, SECRET] });
    const request = signed(eventFixture("job.failed"));
    const signature = request.headers.get("webhook-signature") ?? "";
    request.headers.set("webhook-signature", `v1a,AAAA v1,AAAA ${signature}`);
    expect((await receive(request)).status).toBe(204);
  });

  test.each([[""], ["whsec_"], ["whsec_AAAA"], ["short"]])(
    "the secret %j is refused at the start",
    (secret) => {
      expect(() => createReceiver({ secret, on: {} })).toThrow(/24 to 64 bytes/);
    },
  );

  test("a secret that is no base64 is refused at the start", () => {
    const secret = `whsec_${"*".repeat(40)}`;
    expect(() => createReceiver({ secret, on: {} })).toThrow(/whsec_ and base64; copy it again/);
  });

  test("missing secrets are refused at the start", () => {
    expect(() => createReceiver({ secret: undefined, on: {} })).toThrow(
      /Give secret .* or keysUrl/,
    );
    expect(() => createReceiver({ secret: [], on: {} })).toThrow(/Give secret/);
  });

  test("the receiver's secrets sign as the gateway does", async () => {
    const body = eventFixture("ringback.test");
    const timestampS = NOW_MS / 1000;
    const { headers } = signed(body, { id: "msg_1" });
    const own = signCallback([signingKey("v1", SECRET)], "msg_1", timestampS, body);
    expect(headers.get("webhook-signature")).toBe(own);
  });
});

describe("answers", () => {
  test.each([
    [{ answer: "gone" }, 410, {}],
    [{ answer: "refuse" }, 422, { "ringback-retry": "no" }],
    [{ answer: "retry", afterS: 90 }, 503, { "ringback-retry-after": "90" }],
    [{ answer: "retry" }, 503, {}],
    [undefined, 204, {}],
  ] as const)("%j is %i", async (reply, status, headers) => {
    const { receive } = createTestReceiver({ on: () => reply });
    const answer = await receive(signed(eventFixture("job.completed")));
    expect(answer.status).toBe(status);
    expect(Object.fromEntries(answer.headers)).toMatchObject(headers);
    expect(answer.headers.has("ringback-retry")).toBe("ringback-retry" in headers);
  });

  test("a handler that throws is answered with 500, without the error's text", async () => {
    const { receive, errors } = createTestReceiver({
      on: () => {
        throw new Error("password=hunter2");
      },
    });
    const answer = await receive(signed(eventFixture("job.completed")));
    expect(answer.status).toBe(500);
    expect(await answer.text()).toBe("The handler failed.\n");
    expect(errors).toMatchObject([{ message: "password=hunter2" }]);
  });

  test("a request that is not a POST is answered with 405", async () => {
    const answer = await createTestReceiver().receive(new Request("https://app.example.com/hook"));
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("POST");
  });

  test.each([true, false])(
    "a body above the bound is answered with 413 and read no further; its length is declared: %s",
    async (saysLength) => {
      const { receive } = createTestReceiver({ bodyBytesMax: 100 });
      let chunks = 0;
      const body = new ReadableStream({
        pull(controller) {
          chunks += 1;
          controller.enqueue(new Uint8Array(60));
        },
      });
      const { headers } = signed(eventFixture("job.completed"));
      if (saysLength) headers.set("content-length", "6000");
      const init = { method: "POST", headers, body, duplex: "half" as const };
      expect((await receive(new Request("https://app.example.com", init))).status).toBe(413);
      expect(chunks).toBeLessThan(5);
    },
  );
});

describe("a callback that comes again", () => {
  test("a repeated callback is handled once, and accepted each time", async () => {
    const { receive, events } = createTestReceiver();
    const send = () => receive(signed(eventFixture("job.completed"), { id: "msg_1" }));
    expect([(await send()).status, (await send()).status]).toEqual([204, 204]);
    expect(events).toHaveLength(1);
  });

  test("a repeated callback is handled again when the handler threw, or asked for it", async () => {
    let count = 0;
    const { receive } = createTestReceiver({
      on: () => {
        count += 1;
        if (count === 1) throw new Error("not yet");
        return count === 2 ? { answer: "retry" } : undefined;
      },
    });
    const send = async () =>
      (await receive(signed(eventFixture("job.failed"), { id: "msg_1" }))).status;
    expect([await send(), await send(), await send(), await send()]).toEqual([500, 503, 204, 204]);
    expect(count).toBe(3);
  });

  test("a callback repeated while it is being handled waits for that, and gets the same answer", async () => {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const handle = vi.fn<() => Promise<undefined>>(() => promise);
    const { receive } = createTestReceiver({ on: handle });
    const both = [1, 2].map(() => receive(signed(eventFixture("job.failed"), { id: "msg_1" })));
    await expect.poll(() => handle).toHaveBeenCalled();
    reject(new Error("no"));
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual([500, 500]);
    resolve(undefined);
    expect(handle).toHaveBeenCalledOnce();
  });

  test("a repeated callback is looked up in the given store, after its signature is verified", async () => {
    const ids = new Set<string>();
    const asked: string[] = [];
    const { receive, events } = createTestReceiver({
      seen: {
        has: async (id) => asked.push(id) > 0 && ids.has(id),
        add: async (id) => void ids.add(id),
      },
    });
    await receive(signedRequest(eventFixture("job.failed"), OTHER_SECRET, { id: "msg_0" }));
    const send = () => receive(signed(eventFixture("job.failed"), { id: "msg_1" }));
    await send();
    await send();
    expect(events).toHaveLength(1);
    expect(asked).toEqual(["msg_1", "msg_1"]);
    expect([...ids]).toEqual(["msg_1"]);
  });

  test("a repeated callback is refused for now when the store fails to answer, and accepted when it only fails to remember", async () => {
    const broken = (): never => {
      throw new Error("store away");
    };
    const unasked = createTestReceiver({ seen: { has: broken, add: broken } });
    expect((await unasked.receive(signed(eventFixture("job.failed")))).status).toBe(500);
    expect(unasked.events).toEqual([]);

    const forgetful = createTestReceiver({ seen: { has: () => false, add: broken } });
    expect((await forgetful.receive(signed(eventFixture("job.failed")))).status).toBe(204);
    expect(forgetful.errors).toMatchObject([{ message: "store away" }]);
  });

  test("a callback repeated long after is handled again: the memory is bounded", () => {
    const seen = memorySeen(2);
    for (const id of ["a", "b", "a", "c"]) seen.add(id);
    expect(["a", "b", "c"].map((id) => seen.has(id))).toEqual([true, false, true]);
  });
});

describe("the result", () => {
  const LINK = "https://ringback.example.com/v1/events/evt_1/result?token=t";

  /** Reads a completed job's result in the handler. */
  async function readResult(data: object, answer: Response | Error = new Response()) {
    const fetch = vi.fn<NonNullable<ReceiverOptions["fetch"]>>(async () => {
      if (answer instanceof Error) throw answer;
      return answer;
    });
    const read: { value?: unknown; raw?: string; bytes?: Uint8Array } = {};
    const { receive, errors } = createTestReceiver({
      fetch,
      resultBytesMax: 1000,
      on: {
        "job.completed": async (event) => {
          read.value = await event.result();
          read.raw = await event.rawResult();
          read.bytes = await event.resultBytes();
        },
      },
    });
    const body = eventFixture("job.completed");
    const sent = Object.keys(data).length === 0 ? body : withData(body, data);
    const { status } = await receive(signed(sent));
    return { read, status, errors, fetch };
  }

  function withData(body: string, data: object): string {
    const event = JSON.parse(body) as { data: { result?: unknown } };
    delete event.data.result;
    return JSON.stringify({ ...event, data: { ...event.data, ...data } });
  }

  test("an inline result keeps its digits, and nothing is fetched", async () => {
    const { read, fetch } = await readResult({});
    expect(read.raw).toBe(NUMBERS);
    expect(read.value).toMatchObject({ decimal: 1.1, text: "für a/b 🙂" });
    expect(fetch).not.toHaveBeenCalled();
  });

  test("a result behind a link is fetched once, and no redirect is followed", async () => {
    const answer = new Response(NUMBERS, { headers: { "content-type": "application/json" } });
    const { read, fetch } = await readResult({ result_url: LINK }, answer);
    expect(read).toMatchObject({ raw: NUMBERS, value: { decimal: 1.1 } });
    expect(fetch).toHaveBeenCalledOnce();
    expect(fetch).toHaveBeenCalledWith(LINK, expect.objectContaining({ redirect: "manual" }));
  });

  test.each([
    ["text/csv; charset=utf-8", "a,b\n1,2\n", "a,b\n1,2\n"],
    ["application/pdf", "%PDF", new TextEncoder().encode("%PDF")],
    ["application/vnd.api+json", "[1]", [1]],
  ])("a stored result of type %s is returned as that type", async (type, content, value) => {
    const sha256 = createHash("sha256").update(content).digest("hex");
    const stored = { status: "stored", content_type: type, bytes: content.length, sha256 };
    const answer = new Response(content, { headers: { "content-type": type } });
    const { read, status } = await readResult({ result_url: LINK, result_fetch: stored }, answer);
    expect(status).toBe(204);
    expect(read.value).toEqual(value);
    expect(read.raw).toBe(content);
  });

  test("a result that differs from what was stored fails the callback, which comes again", async () => {
    const stored = { status: "stored", content_type: "text/csv", bytes: 3, sha256: "00" };
    const { status, errors } = await readResult(
      { result_url: LINK, result_fetch: stored },
      new Response("a,b"),
    );
    expect(status).toBe(500);
    expect(errors).toMatchObject([{ message: expect.stringContaining("SHA-256") }]);
  });

  test.each([
    [403, /has expired/],
    [404, /answered with 404\. The gateway no longer keeps the event/],
    [302, /answered with 302\. Check that RINGBACK_PUBLIC_URL/],
    [500, /answered with 500\. Ask for the result again/],
  ])("a result link that answers %i fails the callback", async (status, message) => {
    const failed = await readResult({ result_url: LINK }, new Response(null, { status }));
    expect(failed.status).toBe(500);
    expect(failed.errors).toMatchObject([{ message: expect.stringMatching(message) }]);
  });

  test("a result link that is not answered fails the callback, and the error says why", async () => {
    const cause = new Error("connect ECONNREFUSED 192.0.2.1:443");
    const { errors } = await readResult(
      { result_url: LINK },
      new TypeError("fetch failed", { cause }),
    );
    expect(errors).toMatchObject([
      {
        name: "ResultUnavailableError",
        message: expect.stringMatching(/ECONNREFUSED.+Ask for the result again/),
      },
    ]);
  });

  test("a stored result that is not the JSON that its type says fails with what to read instead", async () => {
    const answer = new Response("[1,", { headers: { "content-type": "application/json" } });
    const { errors } = await readResult({ result_url: LINK }, answer);
    expect(errors).toMatchObject([
      {
        name: "ResultUnavailableError",
        message: expect.stringContaining("Read it with rawResult()"),
      },
    ]);
  });

  test("a result larger than the bound is not read", async () => {
    const { status, errors } = await readResult(
      { result_url: LINK },
      new Response("x".repeat(1001)),
    );
    expect(status).toBe(500);
    expect(errors).toMatchObject([{ message: "The result has more than 1000 bytes." }]);
  });

  test("a test event has a result as well", async () => {
    const raw: string[] = [];
    const { receive } = createTestReceiver({
      on: { "ringback.test": async (event) => void raw.push(await event.rawResult()) },
    });
    await receive(signed(eventFixture("ringback.test")));
    expect(raw).toEqual([NUMBERS]);
  });
});
