import { describe, expect, test, vi } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { type Scene, useScenes } from "./scene.ts";

/** Answers of the name servers to this process; a name that is not here does not exist. */
const addresses = vi.hoisted(() => new Map<string, string[]>());
/** A name without an answer from any name server. */
const SILENT = vi.hoisted(() => "silent.example");

vi.mock("node:dns/promises", async (importOriginal) => ({
  ...(await importOriginal<object>()),
  Resolver: class {
    cancel(): void {}

    resolve4(host: string): Promise<{ address: string; ttl: number }[]> {
      if (host === SILENT) return new Promise(() => undefined);
      const found = addresses.get(host);
      if (found === undefined) return this.resolve6(host);
      return Promise.resolve(found.map((address) => ({ address, ttl: 0 })));
    }

    resolve6(host: string): Promise<never> {
      const error = new Error(`queryAaaa ENOTFOUND ${host}`);
      return Promise.reject(Object.assign(error, { code: "ENOTFOUND" }));
    }
  },
}));

const openScene = useScenes();

const PUBLIC = "93.184.215.14";

async function ask(scene: Scene, callbackUrl: string) {
  const { gateway, jobId, connection } = scene;
  return gateway.api("POST", "/v1/subscriptions", {
    job_id: jobId,
    connection,
    callback_url: callbackUrl,
  });
}

describe("a callback URL that leads inwards is refused when it is given, and nothing is stored", () => {
  test.for([
    ["a private literal", "https://10.0.0.1/hook"],
    ["the cloud's metadata service", "http://169.254.169.254/latest/meta-data"],
    ["a mapped address in hexadecimal", "https://[::ffff:0a00:0001]/hook"],
    ["an address as one number", "https://167772161/hook"],
    ["a user name and password", "https://user:pw@public.example/hook"],
  ] as const)("%s", async ([, url], context) => {
    const scene = await openScene(context);
    expect(await ask(scene, url)).toMatchObject({
      status: 422,
      body: {
        code: "callback_url_refused",
        errors: [{ pointer: "/callback_url", detail: expect.stringMatching(/\w/) }],
      },
    });
    const { sql } = scene.gateway;
    const [{ count } = { count: -1 }] = await sql`
      select count(*)::int from jobs where job_id = ${scene.jobId}`;
    expect(count).toBe(0);
  });
});

test.for([
  ["is one of the private network", "https://db.internal/hook"],
  ["is public, but over http", "http://public.example/hook"],
  ["resolves to a private address", "https://private.example/hook"],
  ["has a private address among others", "https://mixed.example/hook"],
] as const)("a name that %s is refused as soon as it is known", async ([, url], context) => {
  const scene = await openScene(context);
  addresses.set("db.internal", ["10.0.0.2"]);
  addresses.set("public.example", [PUBLIC]);
  addresses.set("private.example", ["192.168.1.1"]);
  addresses.set("mixed.example", [PUBLIC, "172.16.0.1"]);
  // Requests don't wait for the name server, so the first one only starts the lookup.
  const refused = await vi.waitUntil(async () => {
    const answer = await ask(scene, url);
    return answer.status === 201 ? null : answer;
  }, 60_000);
  expect(refused).toMatchObject({ status: 422, body: { code: "callback_url_refused" } });
});

test("a subscription is accepted without waiting for a name server that never answers", async (context) => {
  const scene = await openScene(context);
  expect(await ask(scene, `https://${SILENT}/hook`)).toMatchObject({
    status: 201,
    body: {
      warnings: [
        {
          code: "callback_host_unresolved",
          message: expect.stringContaining("has not been looked up yet"),
        },
      ],
    },
  });
});

describe("a name is judged again at every connection, and the attempts say so", () => {
  test("a name that became private since it was given is not connected to, and the attempts say so", async (context) => {
    const scene = await openScene(context);
    const { upstream, jobId, delivery } = scene;
    addresses.set("rebound.example", [PUBLIC]);
    const { status, body } = await ask(scene, "https://rebound.example/hook");
    expect(status).toBe(201);
    addresses.set("rebound.example", ["169.254.169.254"]);
    // Until the answer that is remembered has grown old, which it does at once by its time to live.
    await vi.waitUntil(
      async () => (await ask(scene, "https://rebound.example/hook")).status === 422,
      60_000,
    );
    upstream.answer(jobId, pulseAnswer.completed());
    const { status: ending, attempts } = await delivery(body.id);
    expect(ending).toBe("exhausted");
    expect(attempts[0]).toMatchObject({
      http_status: null,
      error_code: "address_refused",
      error_message: expect.stringContaining("rebound.example resolves to"),
    });
    // The answer of a private resolver must not be shown.
    expect(JSON.stringify(attempts)).not.toContain("169.254");
  });

  test("a name that does not resolve for a while is retried until it does", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, delivery } = scene;
    const url = `http://receiver.example:${new URL(receiver.origin).port}${path}`;
    const { status, body } = await ask(scene, url);
    expect(status).toBe(201);
    upstream.answer(jobId, pulseAnswer.completed());
    const exhausted = await delivery(body.id);
    expect(exhausted.attempts[0]).toMatchObject({ error_code: "dns_not_found" });
    // Exempt, since the operator allows 127.0.0.0/8.
    addresses.set("receiver.example", ["127.0.0.1"]);
    // That it is not there is remembered for a while.
    await vi.waitUntil(async () => (await ask(scene, url)).body["warnings"].length === 0, 60_000);
    await gateway.api("POST", `/v1/deliveries/${exhausted.id}/redeliver`);
    const callback = await receiver.takeOne(path);
    expect(callback.headers["host"]).toMatch(/^receiver\.example:/);
  });
});
