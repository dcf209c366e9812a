import { createPublicKey, type JsonWebKeyInput, verify } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import type { Callback } from "../support/receiver.ts";
import { type Scene, useScenes } from "./scene.ts";

const openScene = useScenes();

const NO_KEY = { authorization: "" };

/** The key set as a receiver without an API key reads it. */
async function keySet({ gateway }: Scene): Promise<readonly JsonWebKeyInput["key"][]> {
  const { status, body } = await gateway.api("GET", "/v1/signing-keys/jwks", undefined, NO_KEY);
  expect(status).toBe(200);
  return body.keys;
}

function verifiesByKey(callback: Callback, keys: readonly JsonWebKeyInput["key"][]): boolean {
  const { webhookId, timestampS, body, headers } = callback;
  const signed = Buffer.from(`${webhookId}.${timestampS}.${body}`);
  const signatures = (headers["webhook-signature"] ?? "").split(" ");
  return keys.some((jwk) => {
    const key = createPublicKey({ key: jwk, format: "jwk" });
    return signatures
      .filter((signature) => signature.startsWith("v1a,"))
      .some((signature) => verify(null, signed, key, Buffer.from(signature.slice(4), "base64")));
  });
}

function verifiesBySecret({ body, headers }: Callback, secret: string): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

describe("v1a", () => {
  test("v1a signs a subscription that asks for it as well, and the served key verifies it", async (context) => {
    const scene = await openScene(context);
    const { upstream, receiver, jobId, path, subscribe } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    const secret = `whsec_${Buffer.alloc(24, "own").toString("base64")}`;
    receiver.expectSecret("/own", secret);
    await subscribe({ signatures: ["v1", "v1a"] });
    await subscribe({ signatures: ["v1", "v1a"], secret, callback_url: receiver.url("/own") });
    const keys = await keySet(scene);
    for (const callback of [await receiver.takeOne(path), await receiver.takeOne("/own")]) {
      expect(callback.headers["webhook-signature"]).toMatch(/^v1,\S{44} v1a,\S{88}$/);
      expect(verifiesByKey(callback, keys)).toBe(true);
    }
  });

  test("v1a alone signs a subscription that asks for nothing else", async (context) => {
    const scene = await openScene(context);
    const { upstream, receiver, jobId, path, subscribe, delivery } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    const { id } = await subscribe({ signatures: ["v1a"] });
    await delivery(id);
    const [callback] = receiver.received(path);
    expect(callback?.headers["webhook-signature"]).toMatch(/^v1a,\S{88}$/);
    expect(callback !== undefined && verifiesByKey(callback, await keySet(scene))).toBe(true);
  });

  test("v1a can be chosen for the project, and a rotated key signs together with the previous one", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe } = scene;
    const keysBefore = await keySet(scene);
    await gateway.api("POST", "/v1/signing-keys/rotate");
    await gateway.api("PATCH", "/v1/project", { signatures: ["v1", "v1a"] });
    const keysAfter = await keySet(scene);
    expect(keysAfter).toHaveLength(2);
    upstream.answer(jobId, pulseAnswer.completed());
    await subscribe();
    const callback = await receiver.takeOne(path);
    expect(verifiesByKey(callback, keysBefore)).toBe(true);
    expect(verifiesByKey(callback, keysAfter.slice(0, 1))).toBe(true);
    await gateway.api("PATCH", "/v1/project", { signatures: null });
  });
});

describe("rotating the secret", () => {
  test("rotating the secret during retries leaves no delivery that neither the old nor the new one verifies", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe, look } = scene;
    // Three failures of each are too few for the origin to count as failing.
    const subscriptions = 3;
    const held = Promise.withResolvers<void>();
    // The first attempts fail, the second ones wait for their answers while the secret is rotated.
    receiver.answer(path, async (_, number) => {
      if (number > subscriptions && number <= 2 * subscriptions) await held.promise;
      return { status: number <= 3 * subscriptions ? 500 : 200 };
    });
    upstream.answer(jobId, pulseAnswer.completed());
    const subscribed: Json[] = await Promise.all(
      Array.from({ length: subscriptions }, () =>
        subscribe({ retry_schedule_s: Array(5).fill(0.05) }),
      ),
    );
    await receiver.take(path, 2 * subscriptions);
    const rotated = (await gateway.api("POST", "/v1/signing-secrets/rotate", { overlap_s: 3600 }))
      .body;
    held.resolve();
    for (const { id } of subscribed) {
      await gateway.until(`/v1/subscriptions/${id}`, ({ status }) => status === "delivered");
    }
    const callbacks = receiver.received(path);
    expect(callbacks).toHaveLength(4 * subscriptions);
    expect(callbacks.every((callback) => verifiesBySecret(callback, SIGNING_SECRET))).toBe(true);
    const signedByBoth = callbacks.filter((callback) => verifiesBySecret(callback, rotated.secret));
    expect(signedByBoth).toEqual(callbacks.slice(2 * subscriptions));
    expect((await look("/v1/signing-secrets")).data).toMatchObject([
      { id: rotated.id, is_current: true },
      { secret: SIGNING_SECRET, is_current: false },
    ]);
  });

  test("rotating without an overlap retires the old secret at once", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, subscribe } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    const secret = `whsec_${Buffer.alloc(24, "new").toString("base64")}`;
    await gateway.api("POST", "/v1/signing-secrets/rotate", { overlap_s: 0, secret });
    receiver.expectSecret("/new", secret);
    await subscribe({ callback_url: receiver.url("/new"), signatures: ["v1"] });
    const callback = await receiver.takeOne("/new");
    expect(callback.headers["webhook-signature"]).toMatch(/^v1,\S{44}$/);
  });
});
