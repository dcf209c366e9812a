import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { retryWaitMs } from "../../src/client/retry.ts";
import { Ringback, RingbackError, type RingbackOptions } from "../../src/client/ringback.ts";

/* How requests are sent, repeated and given up, without a gateway. */

const URL = "https://ringback.example.com/gateway/";
const ID = "sub_019b76da98007034a5b6c7d8e9f00112";

interface Sent {
  readonly url: string;
  readonly method: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}
type Script = readonly (Response | Error | "hangs")[];

/** A client that gets these answers, one after the other, and sleeps in no time. */
function createScene(script: Script, options: Partial<RingbackOptions> = {}) {
  const sent: Sent[] = [];
  const slept: number[] = [];
  const answers = [...script];
  let keys = 0;
  const ringback = new Ringback({
    url: URL,
    apiKey: "rb_test",
    random: () => 1,
    newKey: () => `key-${(keys += 1)}`,
    timeoutMs: 30_000,
    // Time limits of tries pass only when the answer hangs.
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      if (ms >= 30_000 && answers[0] !== "hangs") return new Promise(() => undefined);
      slept.push(ms);
    },
    fetch: (url, { method, headers, body, signal }) => {
      sent.push({ url, method, headers: headers as Record<string, string>, body });
      const answer = answers.shift();
      if (answer === undefined) throw new Error("The script has ended.");
      if (answer instanceof Error) throw answer;
      if (answer !== "hangs") return Promise.resolve(answer);
      return new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
      });
    },
    ...options,
  });
  return { ringback, sent, slept };
}

function problem(status: number, code: string, headers: Record<string, string> = {}, more = {}) {
  const body = {
    type: `/docs/errors/${code}`,
    title: "T",
    status,
    detail: "Change it.",
    code,
    ...more,
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", "x-request-id": "req-1", ...headers },
  });
}

const BUSY = () => problem(503, "overloaded");
const AWAY = () => new TypeError("fetch failed");
const OK = () => Response.json({ id: ID });

describe("a request", () => {
  test("a request goes to the gateway below its address, with the key and without undefined fields", async () => {
    const { ringback, sent } = createScene([Response.json({ data: [], next_cursor: null })]);
    await ringback.subscriptions.list({ status: "active", job_id: "a/b", limit: undefined }).page();
    expect(sent).toMatchObject([
      {
        url: "https://ringback.example.com/gateway/v1/subscriptions?status=active&job_id=a%2Fb",
        method: "GET",
        headers: { authorization: "Bearer rb_test" },
        body: undefined,
      },
    ]);
    expect(sent[0]?.headers).not.toHaveProperty("idempotency-key");
  });

  test("a request gives several values of a filter separated by commas", async () => {
    const { ringback, sent } = createScene([Response.json({ data: [], next_cursor: null })]);
    const filters = { status: ["active", "gone"], metadata: "invoice=17" } as const;
    await ringback.subscriptions.list(filters).page();
    expect(sent[0]?.url).toMatch(/\?status=active%2Cgone&metadata=invoice%3D17$/);
  });

  test("a request encodes each path parameter as one segment", async () => {
    const { ringback, sent } = createScene([OK()]);
    await ringback.providers.get("../api-keys?x=1");
    expect(sent[0]?.url).toMatch(/\/v1\/providers\/\.\.%2Fapi-keys%3Fx%3D1$/);
  });

  test("a request that creates something has its own idempotency key, the same at every try", async () => {
    const { ringback, sent } = createScene([AWAY(), BUSY(), OK(), OK(), OK()]);
    const request = { job_id: "job-1", callback_url: "https://app.example.com/hook" };
    await ringback.subscriptions.create(request);
    await ringback.subscriptions.create(request);
    await ringback.subscriptions.create(request, { idempotencyKey: "mine" });
    const keys = sent.map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toEqual(["key-1", "key-1", "key-1", "key-2", "mine"]);
    expect(sent[0]?.body).toBe(JSON.stringify(request));
  });

  test("a request that deletes has no answer to read", async () => {
    const { ringback, sent } = createScene([new Response(null, { status: 204 })]);
    expect(await ringback.subscriptions.delete(ID, { cancelJob: true })).toBeUndefined();
    expect(sent[0]?.url).toMatch(new RegExp(`/v1/subscriptions/${ID}\\?cancel_job=true$`));
  });
});

describe("a request is sent again", () => {
  test("a request is repeated after transient failures, later each time, until it succeeds", async () => {
    const { ringback, slept } = createScene([
      AWAY(),
      BUSY(),
      problem(429, "too_many_requests"),
      OK(),
    ]);
    expect(await ringback.subscriptions.get(ID)).toEqual({ id: ID });
    expect(slept).toEqual([500, 1000, 2000]);
  });

  test("a request is repeated no sooner than the gateway asks", async () => {
    const { ringback, slept } = createScene([
      problem(429, "too_many_requests", { "retry-after": "7" }),
      OK(),
    ]);
    await ringback.subscriptions.get(ID);
    expect(slept).toEqual([7000]);
  });

  test("a request is repeated when no answer came in time", async () => {
    const { ringback, sent } = createScene(["hangs", OK()]);
    expect(await ringback.subscriptions.get(ID)).toEqual({ id: ID });
    expect(sent).toHaveLength(2);
  });

  test("a request is sent at most five times, and the last error is thrown", async () => {
    const { ringback, sent } = createScene([BUSY(), BUSY(), BUSY(), BUSY(), AWAY()]);
    await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({ code: "network_error" });
    expect(sent).toHaveLength(5);
  });

  test("a request is not repeated when the gateway asks for a wait of more than a minute", async () => {
    const { ringback, sent } = createScene([
      problem(429, "too_many_requests", { "retry-after": "61" }),
    ]);
    await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({ retryAfterS: 61 });
    expect(sent).toHaveLength(1);
  });

  test("a request that could take effect twice is repeated only if it had no effect", async () => {
    for (const lost of [AWAY(), BUSY()]) {
      const { ringback } = createScene([lost]);
      await expect(ringback.signingSecrets.rotate()).rejects.toBeInstanceOf(RingbackError);
    }
    const refused = problem(503, "overloaded", {}, { outcome: "none" });
    const { ringback, sent } = createScene([refused, problem(429, "too_many_requests"), OK()]);
    await ringback.signingSecrets.rotate();
    expect(sent).toHaveLength(3);
  });

  test.each([400, 401, 403, 404, 409, 422, 500])(
    "a request is not repeated after %i",
    async (status) => {
      const { ringback, sent } = createScene([problem(status, "not_found")]);
      await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({ status });
      expect(sent).toHaveLength(1);
    },
  );

  test("repeats wait between half and all of a growing, bounded time", () => {
    const error = new RingbackError("busy", { code: "overloaded", status: 503 });
    const waits = [1, 2, 3, 4, 5, 6, 20].map((tries) => retryWaitMs(error, tries, true, 0));
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 4000, 4000]);
    expect(retryWaitMs(error, 20, true, 1)).toBe(8000);
    expect(retryWaitMs(error, 1, false, 1)).toBeNull();
  });
});

describe("an error", () => {
  test("an error has everything the gateway said", async () => {
    const errors = [{ pointer: "/callback_url", detail: "Use https." }];
    const { ringback } = createScene([problem(422, "validation_failed", {}, { errors })]);
    const failed = ringback.subscriptions.get(ID);
    await expect(failed).rejects.toBeInstanceOf(RingbackError);
    await expect(failed).rejects.toMatchObject({
      name: "RingbackError",
      code: "validation_failed",
      status: 422,
      message: "Change it.",
      errors,
      requestId: "req-1",
      problem: { title: "T" },
    });
  });

  test.each([
    ["a proxy's page", new Response("<h1>Bad</h1>", { status: 404 })],
    [
      "a redirect",
      new Response(null, { status: 302, headers: { location: "https://evil.example" } }),
    ],
    [
      "a problem that is none",
      new Response("<", { status: 400, headers: { "content-type": "application/problem+json" } }),
    ],
  ])("an error says that %s is not an answer of the gateway", async (_, answer) => {
    const { ringback } = createScene([answer]);
    await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({
      code: "unexpected_answer",
      status: answer.status,
      problem: null,
      errors: [],
    });
  });

  test("an error of another program that uses RFC 9457 keeps its text, and has a code all the same", async () => {
    const body = { title: "Forbidden", status: 403, detail: "The proxy wants a token." };
    const headers = { "content-type": "application/problem+json" };
    const { ringback } = createScene([
      new Response(JSON.stringify(body), { status: 403, headers }),
    ]);
    await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({
      message: "The proxy wants a token.",
      code: "unexpected_answer",
      status: 403,
    });
  });

  test.each<[string, Response]>([
    ["a page", new Response("<h1>Welcome</h1>", { headers: { "content-type": "text/html" } })],
    ["JSON of another program", Response.json({ ok: true })],
  ])("a list fails at %s that comes with 200, and says what to check", async (_, answer) => {
    const { ringback } = createScene([answer]);
    await expect(ringback.subscriptions.list().page()).rejects.toMatchObject({
      name: "RingbackError",
      code: "unexpected_answer",
      status: 200,
      message: expect.stringMatching(
        /not as a gateway does: .+\. Check that it is the gateway's address/,
      ),
    });
  });

  test("a redirect is not followed, and the error names where it leads", async () => {
    const headers = { location: "https://ringback.example.com/" };
    const { ringback } = createScene([new Response(null, { status: 308, headers })]);
    await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({
      code: "unexpected_answer",
      message: expect.stringMatching(
        /redirects to https:\/\/ringback\.example\.com\/\. Give the address/,
      ),
    });
  });

  test("an answer that is too large is not asked for again", async () => {
    const headers = { "content-length": String(2 ** 40) };
    const { ringback, sent } = createScene([new Response("{", { headers })]);
    await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({
      code: "unexpected_answer",
      message: expect.stringMatching(/is too large: .+ Ask for less at once/),
    });
    expect(sent).toHaveLength(1);
  });

  test.each([
    ["ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1", /ECONNREFUSED.*\. Start the gateway/],
    ["ECONNREFUSED", "", /: \(ECONNREFUSED\)\. Start the gateway/],
    ["ENOTFOUND", "getaddrinfo ENOTFOUND ringback", /ENOTFOUND.*\. Check the host name/],
    [
      "CERT_HAS_EXPIRED",
      "certificate has expired",
      /expired \(CERT_HAS_EXPIRED\)\. .*NODE_EXTRA_CA_CERTS/,
    ],
    [
      "UND_ERR_SOCKET",
      "other side closed",
      /closed \(UND_ERR_SOCKET\)\. Check that the gateway runs/,
    ],
  ])("a network error (%s: %s) says why and what to do", async (code, text, told) => {
    const cause = Object.assign(new Error(text), { code });
    const { ringback } = createScene([new TypeError("fetch failed", { cause })], { retries: 0 });
    await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({
      code: "network_error",
      message: expect.stringMatching(told),
    });
  });

  test("a request that was not answered in time says what to do", async () => {
    const { ringback } = createScene(["hangs"], { retries: 0 });
    await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({
      code: "request_timed_out",
      message: expect.stringMatching(/within 30000 ms\. .*try again, or give it more time/),
    });
  });

  test("a network error has its cause and the address that was tried", async () => {
    const { ringback } = createScene([AWAY()], { retries: 0 });
    await expect(ringback.subscriptions.get(ID)).rejects.toMatchObject({
      code: "network_error",
      status: null,
      message: expect.stringContaining("https://ringback.example.com/gateway"),
      cause: { message: "fetch failed" },
    });
  });

  test("an error never shows the API key", async () => {
    const { ringback } = createScene([AWAY()], { retries: 0 });
    const error = await ringback.subscriptions.get(ID).catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error) + String(error)).not.toContain("rb_test");
  });
});

describe("a signal", () => {
  const STOP = new Error("stop");

  test("a signal that is already aborted sends no request", async () => {
    const { ringback, sent } = createScene([]);
    const call = ringback.subscriptions.get(ID, { signal: AbortSignal.abort(STOP) });
    await expect(call).rejects.toBe(STOP);
    expect(sent).toEqual([]);
  });

  test("a signal aborts a request", async () => {
    const { ringback } = createScene(["hangs"], { sleep: () => new Promise(() => undefined) });
    const controller = new AbortController();
    const call = ringback.subscriptions.get(ID, { signal: controller.signal });
    controller.abort(STOP);
    await expect(call).rejects.toBe(STOP);
  });

  test("a signal ends the wait before the next try", async () => {
    const controller = new AbortController();
    const { ringback, sent } = createScene([BUSY()], {
      sleep: async (ms, signal) => {
        if (ms === 500) controller.abort(STOP);
        signal.throwIfAborted();
        if (ms >= 30_000) await new Promise(() => undefined);
      },
    });
    const call = ringback.subscriptions.get(ID, { signal: controller.signal });
    await expect(call).rejects.toBe(STOP);
    expect(sent).toHaveLength(1);
  });
});

describe("lists", () => {
  const PAGES = () => [
    Response.json({ data: [1, 2], next_cursor: "c1" }),
    Response.json({ data: [], next_cursor: "c2" }),
    Response.json({ data: [3], next_cursor: null }),
  ];

  test("lists are read to their end, page by page, past empty pages", async () => {
    const { ringback, sent } = createScene(PAGES());
    const items: unknown[] = [];
    for await (const item of ringback.deliveries.list({ status: "exhausted" })) items.push(item);
    expect(items).toEqual([1, 2, 3]);
    expect(sent.map(({ url }) => url.split("?")[1])).toEqual([
      "status=exhausted",
      "status=exhausted&cursor=c1",
      "status=exhausted&cursor=c2",
    ]);
  });

  test("lists are read no further than the caller iterates", async () => {
    const { ringback, sent } = createScene(PAGES());
    expect(await ringback.deliveries.list().toArray(2)).toEqual([1, 2]);
    expect(await ringback.deliveries.list().toArray(0)).toEqual([]);
    expect(sent).toHaveLength(1);
  });

  test("lists can be paged by hand", async () => {
    const { ringback } = createScene(PAGES());
    const list = ringback.deliveries.list();
    expect(await list.page()).toMatchObject({ data: [1, 2], next_cursor: "c1" });
    expect(await list.page("c1")).toMatchObject({ next_cursor: "c2" });
  });
});

test.each([
  [{ url: "", apiKey: "rb_x" }, /url must be the gateway's address/],
  [{ url: "ringback.example.com", apiKey: "rb_x" }, /"ringback.example.com"/],
  [{ url: "ftp://ringback.example.com", apiKey: "rb_x" }, /url must be/],
  [{ url: "https://me:secret@ringback.example.com", apiKey: "rb_x" }, /url must be/],
  [{ url: "https://ringback.example.com/?key=1", apiKey: "rb_x" }, /url must be/],
  [{ url: "https://ringback.example.com", apiKey: "rb_\u00fc" }, /apiKey has characters/],
  [{ url: "https://ringback.example.com", apiKey: "" }, /Set RINGBACK_API_KEY, or give apiKey/],
])("%j is refused at once", (options, message) => {
  expect(() => new Ringback(options)).toThrow(message);
});

describe("without options", () => {
  afterEach(() => void vi.unstubAllEnvs());

  /** The address that the client asks, and the key that it sends there. */
  async function asked(options: RingbackOptions = {}): Promise<string[]> {
    const sent: string[] = [];
    const ringback = new Ringback({
      ...options,
      fetch: async (url, { headers }) => {
        sent.push(url.replace("/healthz", ""), new Headers(headers).get("authorization") ?? "");
        return Response.json({ status: "ok" });
      },
    });
    await ringback.health();
    return sent;
  }

  test("the client takes the gateway and the key from the environment, unless given", async () => {
    vi.stubEnv("RINGBACK_API_KEY", "rb_environment");
    vi.stubEnv("RINGBACK_URL", undefined);
    expect(await asked()).toEqual(["http://127.0.0.1:8080", "Bearer rb_environment"]);
    vi.stubEnv("RINGBACK_URL", "https://ringback.example.com");
    expect(await asked()).toEqual(["https://ringback.example.com", "Bearer rb_environment"]);
    expect(await asked({ url: "http://other.example.com", apiKey: "rb_given" })).toEqual([
      "http://other.example.com",
      "Bearer rb_given",
    ]);
  });

  test("the client needs the key where there is no environment, or none that may be read", () => {
    vi.stubEnv("RINGBACK_API_KEY", undefined);
    expect(() => new Ringback()).toThrow("Set RINGBACK_API_KEY, or give apiKey");
    const { env } = process;
    onTestFinished(() => void Object.defineProperty(process, "env", { value: env }));
    Object.defineProperty(process, "env", {
      configurable: true,
      get() {
        throw new Error("NotCapable: Requires env access");
      },
    });
    expect(() => new Ringback()).toThrow("Set RINGBACK_API_KEY, or give apiKey");
    expect(() => new Ringback({ apiKey: "rb_given" })).not.toThrow();
  });
});
