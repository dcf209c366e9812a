import { describe, expect, test } from "vitest";
import { useScenes } from "./scene.ts";

const openScene = useScenes();

describe.concurrent("trying a callback", () => {
  test("sends one signed event and shows the exchange as it was", async (context) => {
    const { gateway, receiver, path } = await openScene(context);
    receiver.answer(path, { status: 202, headers: { "x-seen": "yes" }, body: "thanks" });
    const { status, body } = await gateway.api("POST", "/v1/callbacks/test", {
      callback_url: receiver.url(path),
      headers: { "x-tenant": "acme" },
    });
    expect(status).toBe(200);
    const callback = await receiver.takeOne(path);
    expect(callback.event.type).toBe("ringback.test");
    expect(body).toMatchObject({
      delivered: true,
      request: { url: receiver.url(path), body: callback.body },
      response: { status: 202, headers: { "x-seen": "yes" }, body_excerpt: "thanks" },
      error: null,
    });
    expect(callback.headers).toMatchObject(body.request.headers);
    expect(callback.headers["x-tenant"]).toBe("acme");
  });

  test("signs with the secret that a subscription would have", async (context) => {
    const { gateway, receiver } = await openScene(context);
    const secret = `whsec_${Buffer.alloc(32, "own").toString("base64")}`;
    receiver.expectSecret("/own", secret);
    await gateway.api("POST", "/v1/callbacks/test", {
      callback_url: receiver.url("/own"),
      secret,
    });
    // Verified with it by the receiver.
    expect((await receiver.takeOne("/own")).event.type).toBe("ringback.test");
  });

  test.for<["hang" | "reset" | { status: number }, object]>([
    ["hang", { response: null, error: { code: "response_timeout" } }],
    ["reset", { response: null, error: { code: "connection_reset" } }],
    [{ status: 302 }, { response: { status: 302 }, error: null }],
    [{ status: 500 }, { response: { status: 500 }, error: null }],
  ])("shows what a receiver does that takes nothing: %j", async ([answer, shown], context) => {
    const { gateway, receiver, path } = await openScene(context);
    receiver.answer(path, answer);
    const { body } = await gateway.api("POST", "/v1/callbacks/test", {
      callback_url: receiver.url(path),
    });
    expect(body).toMatchObject({ delivered: false, ...shown });
    // Once: nothing is retried.
    expect(receiver.received(path)).toHaveLength(1);
  });
});
