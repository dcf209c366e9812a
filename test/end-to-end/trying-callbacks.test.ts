import { describe, expect, test, vi } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { useScenes } from "./scene.ts";

// One receiver hangs until it is given up.
const openScene = useScenes({ RINGBACK_CALLBACK_TIMEOUT_MS: "4000" });
const OWN_SECRET = `whsec_${Buffer.alloc(32, "own").toString("base64")}`;

describe.concurrent("trying a callback", () => {
  test("trying a callback sends one signed event and shows the exchange", async (context) => {
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

  test.for([
    { signatures: ["v1"] },
    { signatures: ["v1", "v1a"] },
    { signatures: ["v1a"] },
    { signatures: ["v1", "v1a"], secret: OWN_SECRET },
    { signatures: ["v1a"], secret: OWN_SECRET },
  ])(
    "trying a callback signs as a subscription's callbacks are signed: %j",
    async (signing, context) => {
      const { gateway, upstream, receiver, jobId, path, subscribe } = await openScene(context);
      receiver.expectSecret(path, signing.secret ?? SIGNING_SECRET);
      receiver.expectSecret("/tried", signing.secret ?? SIGNING_SECRET);
      upstream.answer(jobId, pulseAnswer.completed());
      await subscribe(signing);
      await gateway.api("POST", "/v1/callbacks/test", {
        callback_url: receiver.url("/tried"),
        ...signing,
      });
      await vi.waitFor(() => expect(receiver.callbacks).toHaveLength(2), { timeout: 60_000 });
      for (const to of [path, "/tried"]) {
        const [callback] = receiver.received(to);
        const schemes = callback?.headers["webhook-signature"]
          ?.split(" ")
          .map((one) => one.split(",")[0]);
        expect(schemes).toEqual(signing.signatures);
        expect(callback?.problem === null).toBe(signing.signatures.includes("v1"));
        expect(callback?.headers["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      }
    },
  );

  test.for<["hang" | "reset" | { status: number }, object]>([
    ["hang", { response: null, error: { code: "response_timeout" } }],
    ["reset", { response: null, error: { code: "connection_reset" } }],
    [{ status: 302 }, { response: { status: 302 }, error: null }],
    [{ status: 500 }, { response: { status: 500 }, error: null }],
  ])(
    "trying a callback shows the fault of a receiver that accepts nothing: %j",
    async ([answer, shown], context) => {
      const { gateway, receiver, path } = await openScene(context);
      receiver.answer(path, answer);
      const { body } = await gateway.api("POST", "/v1/callbacks/test", {
        callback_url: receiver.url(path),
      });
      expect(body).toMatchObject({ delivered: false, ...shown });
      // Nothing is retried; but a connection that was kept alive may be found dead, once.
      expect(receiver.received(path).length).toBeLessThanOrEqual(answer === "reset" ? 2 : 1);
    },
  );
});
