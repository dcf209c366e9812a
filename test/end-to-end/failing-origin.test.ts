import { expect, test, vi } from "vitest";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { useScenes } from "./scene.ts";

const openScene = useScenes();

const SUBSCRIPTIONS = 60;
const MINUTE_MS = 60_000;
/** Attempts at one origin at a time. */
const IN_PROGRESS_MAX = 32;
/** While the origin fails, in the time for which the steps below may wait. */
const PROBES_MAX = 12;

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
  // An attempt that is in progress while time passes counts as one that took so long.
  const noneInProgress = async (): Promise<void> => {
    await expect
      .poll(
        () => gateway.sql`
          select id from deliveries
          where status = 'pending' and next_attempt_at <= ${new Date(gateway.clock.now())}`,
      )
      .toEqual([]);
  };
  const failing = () =>
    gateway.logged.some((line) => line.includes("a callback origin is failing"));
  // On a busy machine the first attempts may take so long that the origin counts as failing over them.
  const isTried = async () => failing() || (await attempts()) === SUBSCRIPTIONS;
  await vi.waitFor(async () => expect(await isTried()).toBe(true), { timeout: 60_000 });
  await gateway.noAttemptInProgress();
  await gateway.pass(1.3 * MINUTE_MS);
  await vi.waitFor(() => expect(failing()).toBe(true), { timeout: 60_000 });
  expect((await gateway.api("GET", "/metrics")).text).toMatch(
    /^ringback_callback_lanes_failing(?:\{.*\})? 1$/m,
  );

  await receiver.open();
  // However often it was probed before, the next probe is due.
  await gateway.pass(MINUTE_MS);
  await subscribe({ ...wish, callback_url: receiver.url("/probe") });
  await receiver.take("/probe", 1);
  await noneInProgress();
  // Deliveries in progress when the origin failed again have waited for another minute.
  await gateway.pass(2 * MINUTE_MS);
  await receiver.take(path, SUBSCRIPTIONS);
  for (const { id } of subscriptions) {
    await gateway.until(`/v1/subscriptions/${id}`, ({ status }) => status === "delivered");
  }
  const deliveries = (await look("/v1/deliveries?status=delivered&limit=100")).data;
  expect(deliveries).toHaveLength(SUBSCRIPTIONS + 1);
  const failed = (await attempts()) - deliveries.length;
  expect(failed).toBeLessThanOrEqual(SUBSCRIPTIONS + IN_PROGRESS_MAX + PROBES_MAX);
  expect(gateway.logged.some((line) => line.includes("a callback origin answers again"))).toBe(
    true,
  );
}, 240_000);
