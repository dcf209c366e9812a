import { generateKeyPairSync } from "node:crypto";
import { expect, test, vi } from "vitest";
import { signCallback } from "../../src/delivery/attempt/sign.ts";
import { createReceiver, type ReceiverOptions } from "../../src/receiver/receiver.ts";
import { eventFixture } from "../../src/testing/fixtures.ts";

/* Signatures of the scheme v1a, verified with the key set that a gateway serves. */

const URL = "https://ringback.example.com/v1/signing-keys/jwks";
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const MINUTE_MS = 60_000;
const OTHER_KEY = { kty: "RSA", use: "sig", n: "AAAA", e: "AQAB" };

function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { privateKey, jwk: publicKey.export({ format: "jwk" }) };
}
type Key = ReturnType<typeof newKey>;

/** A receiver with a clock that the test moves, and the key set that the test changes. */
function createScene(options: Partial<ReceiverOptions> = {}) {
  const scene = { nowMs: Date.parse("2026-01-01T00:00:00Z"), keys: [] as Key[], isAway: false };
  const fetch = vi.fn<NonNullable<ReceiverOptions["fetch"]>>(async () => {
    if (scene.isAway) throw new TypeError("fetch failed");
    return Response.json({ keys: [OTHER_KEY, ...scene.keys.map(({ jwk }) => jwk)] });
  });
  const receive = createReceiver({
    keysUrl: URL,
    on: {},
    now: () => scene.nowMs,
    fetch,
    onError: () => undefined,
    ...options,
  });
  const send = async (key: Key, change: (signature: string) => string = (same) => same) => {
    const body = eventFixture("job.completed");
    const timestampS = Math.floor(scene.nowMs / 1000);
    const keys = [{ scheme: "v1a" as const, key: key.privateKey }];
    const headers = {
      "webhook-id": "msg_1",
      "webhook-timestamp": String(timestampS),
      "webhook-signature": change(signCallback(keys, "msg_1", timestampS, body)),
    };
    return (
      await receive(new Request("https://app.example.com", { method: "POST", headers, body }))
    ).status;
  };
  return { scene, fetch, send };
}

test("a signature by one of the keys is taken, and the keys are fetched once in five minutes", async () => {
  const { scene, fetch, send } = createScene();
  const [old, current] = [newKey(), newKey()];
  scene.keys = [current, old];
  expect([await send(current), await send(old)]).toEqual([204, 204]);
  expect(fetch).toHaveBeenCalledOnce();
  expect(fetch).toHaveBeenCalledWith(URL, expect.objectContaining({ redirect: "manual" }));
  scene.nowMs += 5 * MINUTE_MS;
  await send(current);
  expect(fetch).toHaveBeenCalledTimes(2);
});

test("a signature by another key, or that is none, is refused", async () => {
  const { scene, send } = createScene();
  const key = newKey();
  scene.keys = [key];
  expect(await send(newKey())).toBe(400);
  expect(await send(key, () => "v1a,%%%")).toBe(400);
  expect(await send(key, () => "v1a,AAAA")).toBe(400);
  expect(await send(key, (signature) => signature.replace("v1a,", "v1,"))).toBe(400);
  expect(await send(key, (signature) => `v1,AAAA ${signature}`)).toBe(204);
});

test("a key that replaced another at once is found, and forged signatures don't make it be asked for at each", async () => {
  const { scene, fetch, send } = createScene();
  scene.keys = [newKey()];
  const next = newKey();
  expect(await send(next)).toBe(400);
  scene.keys = [next];
  expect(await send(next)).toBe(400);
  expect(fetch).toHaveBeenCalledOnce();
  scene.nowMs += MINUTE_MS / 2;
  expect(await send(next)).toBe(204);
  expect(fetch).toHaveBeenCalledTimes(2);
});

test("while the gateway is away, known keys serve for an hour, and without any the callback comes later", async () => {
  const { scene, fetch, send } = createScene();
  const key = newKey();
  scene.keys = [key];
  scene.isAway = true;
  expect(await send(key)).toBe(503);
  expect(await send(key)).toBe(503);
  expect(fetch).toHaveBeenCalledOnce();

  scene.isAway = false;
  scene.nowMs += 5000;
  expect(await send(key)).toBe(204);
  scene.isAway = true;
  scene.nowMs += 59 * MINUTE_MS;
  expect(await send(key)).toBe(204);
  scene.nowMs += 2 * MINUTE_MS;
  expect(await send(key)).toBe(503);
});

test("with a secret as well, either will do, and the keys are not asked for without need", async () => {
  const { scene, fetch, send } = createScene({ secret: SECRET });
  scene.keys = [newKey()];
  expect(await send(newKey(), () => "v1,AAAA")).toBe(400);
  expect(fetch).not.toHaveBeenCalled();
  const [key] = scene.keys;
  expect(key && (await send(key))).toBe(204);
});

test.each([
  ["no key set", Response.json([])],
  ["an error", new Response(null, { status: 500 })],
  [
    "a redirect",
    new Response(null, { status: 302, headers: { location: "https://evil.example" } }),
  ],
  ["a body without end", new Response("x".repeat(70_000))],
])("%s in place of the key set is no key set", async (_, answer) => {
  const { send } = createScene({ fetch: async () => answer });
  expect(await send(newKey())).toBe(503);
});
