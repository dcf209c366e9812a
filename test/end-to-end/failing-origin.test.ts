import { expect, test, vi } from "vitest";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { useScenes } from "./scene.ts";

const openScene = useScenes();

const SUBSCRIPTIONS = 60;
const MINUTE_MS = 60_000;

test("an origin that goes on failing is left alone, and what waits for it comes when it answers again", async (context) => {
  const { gateway, upstream, receiver, jobId, path, subscribe, look } = await openScene(context);
  const wish = { retry_schedule_s: [60, 60, 60] };
  upstream.answer(jobId, pulseAnswer.processing());
  const subscriptions: Json[] = await Promise.all(
    Array.from({ length: SUBSCRIPTIONS }, () => subscribe(wish)),
  );
  await receiver.close();
  upstream.answer(jobId, pulseAnswer.completed());
  const attempts = async (): Promise<number> => {
    const [row] = await gateway.sql`select count(*)::int as made from attempts`;
    return (row?.["made"] ?? 0) as number;
  };
  await vi.waitFor(async () => expect(await attempts()).toBe(SUBSCRIPTIONS), { timeout: 60_000 });
  await gateway.pass(1.3 * MINUTE_MS);
  const failing = () =>
    gateway.logged.some((line) => line.includes("a callback origin is failing"));
  await vi.waitFor(() => expect(failing()).toBe(true), { timeout: 60_000 });
  expect((await gateway.api("GET", "/metrics")).text).toMatch(
    /^ringback_callback_lanes_failing(?:\{.*\})? 1$/m,
  );
  // The first that failed again, and what was under way with it.
  expect(await attempts()).toBeLessThanOrEqual(SUBSCRIPTIONS + 33);

  await receiver.open();
  await gateway.pass(5000);
  // Whatever comes next is as good a probe as any.
  await subscribe({ ...wish, callback_url: receiver.url("/probe") });
  await receiver.take(path, SUBSCRIPTIONS - 33);
  await gateway.pass(2 * MINUTE_MS);
  await receiver.take(path, SUBSCRIPTIONS);
  for (const { id } of subscriptions) {
    await gateway.until(`/v1/subscriptions/${id}`, ({ status }) => status === "delivered");
  }
  const deliveries = (await look("/v1/deliveries?status=delivered&limit=100")).data;
  expect(deliveries).toHaveLength(SUBSCRIPTIONS + 1);
  // Waiting did not count as attempts.
  const counts = deliveries.map((delivery: Json) => delivery.attempt_count);
  expect(counts.filter((count: number) => count === 2).length).toBeGreaterThanOrEqual(
    SUBSCRIPTIONS - 33,
  );
  expect(gateway.logged.some((line) => line.includes("a callback origin answers again"))).toBe(
    true,
  );
}, 240_000);
