import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import type { TestContext } from "vitest";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { acmeDefinition } from "../end-to-end/provider-scene.ts";
import { useScenes } from "../end-to-end/scene.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { type ApiReply, type ApiRequest, openJobApi } from "../support/job-api.ts";
import { RawServer } from "../support/raw-server.ts";

/** Answers of the name servers to this process; a name that is not here does not exist. */
const addresses = vi.hoisted(() => new Map<string, string[]>());

vi.mock("node:dns/promises", async (importOriginal) => ({
  ...(await importOriginal<object>()),
  Resolver: class {
    cancel(): void {}

    resolve4(host: string): Promise<{ address: string; ttl: number }[]> {
      const found = addresses.get(host) ?? [];
      return Promise.resolve(found.map((address) => ({ address, ttl: 0 })));
    }

    resolve6(): Promise<never[]> {
      return Promise.resolve([]);
    }
  },
}));

const AT_ONCE_MAX = 3;
const openScene = useScenes({ RINGBACK_PROJECT_VIA_REQUESTS: String(AT_ONCE_MAX) });

let providers = 0;

/** A connection to an API with this way of sending the credential. */
async function openWith(
  context: TestContext,
  auth: object,
  credential: string,
  answer: (request: ApiRequest) => ApiReply = () => ({ body: {} }),
) {
  const scene = await openScene(context);
  providers += 1;
  const provider = `of-safety-${providers}`;
  const api = await openJobApi(context, answer);
  const submit = [{ path: "/jobs", job_id: { pointer: "/id" } }];
  const definition = acmeDefinition(api.origin, { auth, submit });
  const put = await scene.gateway.api("PUT", `/v1/providers/${provider}`, definition);
  expect(put.status).toBeLessThan(300);
  const connection = await scene.connect({ provider, credential, base_url: api.origin });
  return { scene, api, url: `${scene.gateway.url}/via/${connection.id}` };
}

async function openPulse(context: TestContext, answer: (request: ApiRequest) => ApiReply) {
  const scene = await openScene(context);
  const api = await openJobApi(context, answer);
  const connection = await scene.connect({ base_url: api.origin });
  return { scene, api, connection, url: `${scene.gateway.url}/via/${connection.id}` };
}

const KEY = { "x-api-key": API_KEY };

describe("the Ringback key", () => {
  test("the Ringback key may be the query parameter of the credential, and is replaced by it", async (context) => {
    const auth = { kind: "query", name: "api_key" };
    const { api, url } = await openWith(context, auth, "up/stream");
    await fetch(`${url}/x?a=%20&api_key=${API_KEY}&b=2`);
    expect(api.requests.map(({ path }) => path)).toEqual(["/x?a=%20&b=2&api_key=up%2Fstream"]);
    expect(JSON.stringify(api.requests)).not.toContain("rb_");
  });

  test.for([`${API_KEY}:`, `user:${API_KEY}`])(
    "the Ringback key may be a half of user and password (%s)",
    async (pair, context) => {
      const { api, url } = await openWith(context, { kind: "basic" }, "me:secret");
      const authorization = `Basic ${Buffer.from(pair).toString("base64")}`;
      await fetch(`${url}/x`, { headers: { authorization } });
      const wanted = `Basic ${Buffer.from("me:secret").toString("base64")}`;
      expect(api.requests[0]?.headers["authorization"]).toBe(wanted);
    },
  );

  test("the Ringback key may come beside a key of the client, which is passed on and not used for polls", async (context) => {
    const job = { id: "own-1", status: "processing" };
    const auth = { kind: "header", name: "x-api-key" };
    const { scene, api, url } = await openWith(
      context,
      auth,
      "of-the-connection",
      ({ method }) => ({
        body: method === "POST" ? job : { ...job, status: "completed" },
      }),
    );
    await fetch(`${url}/jobs`, {
      method: "POST",
      headers: {
        "x-api-key": "of-the-client",
        "ringback-key": API_KEY,
        "ringback-callback-url": scene.receiver.url(scene.path),
      },
    });
    await scene.receiver.takeOne(scene.path);
    const keys = api.requests.map(({ method, headers }) => [method, headers["x-api-key"]]);
    expect(keys).toEqual([
      ["POST", "of-the-client"],
      ["GET", "of-the-connection"],
    ]);
    expect(JSON.stringify(api.requests)).not.toContain("rb_");
  });

  test("the Ringback key is refused where the provider has no credential, and nothing is sent", async (context) => {
    const { api, url } = await openWith(context, { kind: "query", name: "key" }, "k");
    for (const answer of [await fetch(`${url}/x?other=${API_KEY}`), await fetch(`${url}/x`)]) {
      expect(answer.status).toBe(401);
    }
    const wrong = await fetch(`${url}/x`, { headers: { "x-api-key": API_KEY } });
    expect(await wrong.text()).toContain("in the query parameter key");
    expect(api.requests).toEqual([]);
  });

  test("the Ringback key needs the scope submit, which allows nothing else", async (context) => {
    const { scene, api, url } = await openPulse(context, () => ({ body: {} }));
    const make = async (scope: string) => {
      const fields = { name: scope, scopes: [scope] };
      return String((await scene.gateway.api("POST", "/v1/api-keys", fields)).body.key);
    };
    const [submit, read] = [await make("submit"), await make("subscriptions:read")];
    const status = async (key: string) =>
      (await fetch(`${url}/x`, { headers: { "x-api-key": key } })).status;
    expect([await status(submit), await status(read)]).toEqual([200, 403]);
    const headers = { authorization: `Bearer ${submit}` };
    const elsewhere = ["subscriptions", "connections", "api-keys", "project", "providers"].map(
      async (path) => (await fetch(`${scene.gateway.url}/v1/${path}`, { headers })).status,
    );
    expect(new Set(await Promise.all(elsewhere))).toEqual(new Set([403]));
    expect(api.requests.length).toBe(1);
  });
});

describe("an API is reached", () => {
  test.for([
    ["a private address", "10.0.0.5"],
    ["the cloud's metadata service", "169.254.169.254"],
    ["an address of this machine's network", "192.168.1.1"],
  ] as const)("never at %s, whatever a name server says", async ([, address], context) => {
    const scene = await openScene(context);
    addresses.set("inside.example", [address]);
    const connection = await scene.connect({ base_url: "https://inside.example" });
    const answer = await fetch(`${scene.gateway.url}/via/${connection.id}/x`, { headers: KEY });
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({
      code: "upstream_failed",
      detail: expect.stringContaining("address"),
    });
  });

  test("an API is reached only below its base URL, however a path is spelled", async (context) => {
    const { scene, api, connection } = await openPulse(context, () => ({ body: {} }));
    const { port } = new URL(scene.gateway.url);
    const tricks = [
      "/../admin",
      "/a/../../admin",
      "/%2e%2e/admin",
      "/%2E%2e%2Fadmin",
      "/%252e%252e%252fadmin",
      "/..;/admin",
      "/..%5cadmin",
      "//elsewhere.example/x",
      "/%c0%ae%c0%ae/admin",
      "/\u00ff..",
      "/x%00",
      "/%zz",
    ];
    for (const trick of tricks) {
      const status = await raw(port, `GET /via/${connection.id}${trick} HTTP/1.1`);
      expect([trick, status]).toEqual([trick, 400]);
    }
    const absolute = `GET http://elsewhere.example/via/${connection.id}/x HTTP/1.1`;
    expect(await raw(port, absolute)).toBeGreaterThanOrEqual(400);
    expect(api.requests).toEqual([]);
  });
});

/** The status of the answer to a request with this first line. */
async function raw(port: string, line: string): Promise<number> {
  const socket = connect(Number(port), "127.0.0.1");
  socket.end(`${line}\r\nhost: a\r\nx-api-key: ${API_KEY}\r\nconnection: close\r\n\r\n`, "latin1");
  return Number((await text(socket)).split(" ")[1]);
}

describe("an answer", () => {
  test("an answer that expands to gigabytes is relayed as it is, and not inspected", async (context) => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, " "), { level: 9 });
    const { scene, url } = await openPulse(context, () => ({
      status: 202,
      headers: { "content-encoding": "gzip" },
      body: bomb,
    }));
    const request = httpRequest(`${url}/extract`, {
      method: "POST",
      headers: { ...KEY, "ringback-callback-url": scene.receiver.url(scene.path) },
    });
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(bomb)).toBe(true);
    expect(response.headers["ringback-subscription-id"]).toBeUndefined();
  });

  test.for([
    ["a\r\nx-injected: 1", null],
    ["a\u0000b", null],
    ["\u4efb\u52a1", encodeURIComponent("\u4efb\u52a1")],
  ] as const)("whose job is %j injects no header", async ([id, header], context) => {
    const { scene, url } = await openPulse(context, ({ method }) => ({
      status: method === "POST" ? 202 : 200,
      body: { job_id: id, status: method === "POST" ? "pending" : "completed" },
    }));
    const headers = { ...KEY, "ringback-callback-url": scene.receiver.url(scene.path) };
    const answer = await fetch(`${url}/extract`, { method: "POST", headers });
    expect(answer.headers.get("x-injected")).toBeNull();
    expect(answer.headers.get("ringback-job-id")).toBe(header);
    expect(await answer.json()).toMatchObject({ job_id: id });
  });

  test("an answer that could be read as two is not the answer to the next request", async (context) => {
    const upstream = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        socket.write(
          "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" +
            "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled",
        );
      });
    });
    upstream.listen(0, "127.0.0.1");
    await once(upstream, "listening");
    context.onTestFinished(() => void upstream.close());
    const scene = await openScene(context);
    const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const connection = await scene.connect({ base_url: origin });
    for (let request = 0; request < 3; request += 1) {
      const url = `${scene.gateway.url}/via/${connection.id}/x`;
      const answer = await fetch(url, { headers: KEY });
      expect(await answer.text()).not.toContain("smuggled");
    }
  });

  test.each([
    ["text beyond Latin-1", "Pr\u0142yj\u0119te"],
    ["a control character", "Acc\u0001epted"],
  ])(
    "a status line with %s is relayed without its text, held or not, and ends nothing",
    async (_, reason) => {
      const upstream = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.on("data", (chunk) => {
          const isSubmission = chunk.toString().startsWith("POST ");
          const [status, body] = isSubmission
            ? ["202", '{"job_id":"of-the-line","status":"pending"}']
            : ["200", "{}"];
          const head = `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json`;
          socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
        });
      }).listen(0, "127.0.0.1");
      await once(upstream, "listening");
      onTestFinished(() => void upstream.close());
      const scene = await openScene({ onTestFinished } as TestContext);
      const { port } = upstream.address() as AddressInfo;
      const connection = await scene.connect({ base_url: `http://127.0.0.1:${port}` });
      const send = (method: string) =>
        fetch(`${scene.gateway.url}/via/${connection.id}/extract`, {
          method,
          headers: {
            "x-api-key": API_KEY,
            "ringback-callback-url": scene.receiver.url(scene.path),
          },
        });
      const held = await send("POST");
      expect([held.status, held.statusText]).toEqual([202, "Accepted"]);
      expect(await held.json()).toMatchObject({ job_id: "of-the-line" });
      const passed = await send("GET");
      expect([passed.status, passed.statusText]).toEqual([200, "OK"]);
    },
  );

  test("an answer of 429 applies to the connection's polls too", async (context) => {
    const { scene, connection, url } = await openPulse(context, () => ({
      status: 429,
      headers: { "retry-after": "600" },
      body: {},
    }));
    expect((await fetch(`${url}/x`, { headers: KEY })).status).toBe(429);
    const { load } = await scene.look(`/v1/connections/${connection.id}`);
    expect(load.paused_until).toEqual(expect.any(String));
    expect(Date.parse(load.paused_until)).toBeGreaterThan(Date.now() + 60_000);
  });
});

describe("a project", () => {
  test("a project sends a bounded number of requests at once, and more are refused, counted and shown", async (context) => {
    const scene = await openScene(context);
    const held: (() => void)[] = [];
    const full = Promise.withResolvers<void>();
    const server = new RawServer((_, response) => {
      held.push(() => response.end("done"));
      if (held.length === AT_ONCE_MAX) full.resolve();
    });
    await server.open();
    context.onTestFinished(() => server.close());
    const settings = { limits: { concurrency: 64 } };
    const connection = await scene.connect({ base_url: server.origin, settings });
    const ask = () => fetch(`${scene.gateway.url}/via/${connection.id}/x`, { headers: KEY });
    const allowed = Array.from({ length: AT_ONCE_MAX }, ask);
    await full.promise;
    const refused = await ask();
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(refused.headers.get("ratelimit")).toBe('"via_requests";r=0;t=1');
    expect(await refused.json()).toMatchObject({
      code: "project_limit_exceeded",
      limit: "via_requests",
      allowed: AT_ONCE_MAX,
    });
    const project = await scene.look("/v1/project");
    expect(project.limits.via_requests).toMatchObject({ allowed: AT_ONCE_MAX, used: AT_ONCE_MAX });
    const { text: metrics } = await scene.gateway.api("GET", "/metrics");
    expect(metrics).toMatch(/limit="via_requests"[^}]*\} 1$/m);
    for (const end of held) end();
    for (const answer of allowed) expect(await (await answer).text()).toBe("done");
    await expect
      .poll(async () => (await scene.look("/v1/project")).limits.via_requests.used)
      .toBe(0);
  });
});

describe("an upload", () => {
  test("a slow upload delays no poll of its connection, even with a concurrency of one", async (context) => {
    const scene = await openScene(context);
    const began = Promise.withResolvers<void>();
    const server = new RawServer((request, response) => {
      if (request.method === "POST") request.once("data", () => began.resolve());
      else response.end('{"status":"completed","result":1}');
    });
    await server.open();
    context.onTestFinished(() => server.close());
    const settings = { poll_interval_s: 0.02, limits: { concurrency: 1 } };
    const connection = await scene.connect({ base_url: server.origin, settings });
    const upload = httpRequest(`${scene.gateway.url}/via/${connection.id}/x`, {
      method: "POST",
      headers: KEY,
    });
    upload.on("error", () => undefined);
    upload.write("slow");
    await began.promise;
    await scene.subscribe({ connection: connection.name });
    const { event } = await scene.receiver.takeOne(scene.path);
    expect(event).toMatchObject({ type: "job.completed" });
    upload.destroy();
  });

  test("an upload whose client leaves is aborted upstream too", async (context) => {
    const scene = await openScene(context);
    const began = Promise.withResolvers<void>();
    const cut = Promise.withResolvers<string>();
    const server = new RawServer((request) => {
      request.once("data", () => began.resolve());
      request.once("error", ({ message }) => cut.resolve(message));
    });
    await server.open();
    context.onTestFinished(() => server.close());
    const connection = await scene.connect({ base_url: server.origin });
    const upload = httpRequest(`${scene.gateway.url}/via/${connection.id}/x`, {
      method: "POST",
      headers: { ...KEY, "content-length": "1000" },
    });
    upload.on("error", () => undefined);
    upload.write("part");
    await began.promise;
    upload.destroy();
    expect(await cut.promise).toBe("aborted");
  });
});
