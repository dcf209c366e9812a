import { expect, test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { useScenes } from "./scene.ts";

/** Signatures stay good for five minutes. */
const MINUTE_MS = 60_000;
const openScene = useScenes({ RINGBACK_RESULT_LINK_TTL_S: "60" });

test("every attempt brings a link that is good from then on, under the same webhook-id", async (context) => {
  const { gateway, upstream, receiver, jobId, path, subscribe } = await openScene(context);
  upstream.answer(jobId, pulseAnswer.completed());
  receiver.answer(path, (_callback, number) => {
    if (number > 1) return { status: 200 };
    gateway.clock.shift(2 * MINUTE_MS);
    return { status: 503 };
  });
  await subscribe({ payload: "thin" });
  const [first, second] = await receiver.take(path, 2);
  expect(first?.webhookId).toBe(second?.webhookId);
  const early = await fetch(first?.event.data.result_url);
  expect(early.status).toBe(403);
  expect(await early.json()).toMatchObject({ code: "link_expired" });
  const late = await fetch(second?.event.data.result_url);
  expect(late.status).toBe(200);
  // A cache on the way would give it to others, and beyond the link's time.
  expect(late.headers.get("cache-control")).toBe("private, no-store");
});

test("a result of many MiB is read by its link, byte for byte, as often as one likes", async (context) => {
  const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
  const result = JSON.stringify({ pages: "§".repeat(4_000_000), n: 1 });
  upstream.answer(jobId, pulseAnswer.completed(result));
  await subscribe();
  const { event } = await receiver.takeOne(path);
  for (const _ of [1, 2]) {
    const response = await fetch(event.data.result_url);
    expect(response.headers.get("content-length")).toBe(String(Buffer.byteLength(result)));
    expect(response.headers.get("cache-control")).toBe("private, no-store");
    expect((await response.text()) === result).toBe(true);
  }
  const head = await fetch(event.data.result_url, { method: "HEAD" });
  expect(head.headers.get("content-length")).toBe(String(Buffer.byteLength(result)));
});
