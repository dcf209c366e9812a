import { expect, test, vi } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import {
  breaches,
  connect,
  openProcessScene,
  type ProcessScene,
  subscribe,
} from "../support/process-scene.ts";
import type { Json } from "../support/api-client.ts";
import { within } from "../support/within.ts";

/** Callbacks that one receiver is sent at once; what is owed beyond that waits. */
const CALLBACKS_AT_ONCE = 32;
/** A killed node's lease runs for up to 12 s; then the new one looks every 1.5 s. */
const TAKEOVER_MS = 20_000;

/** Jobs by what was happening to each when the process went. */
const JOBS = {
  delivered: ["delivered"],
  sending: Array.from({ length: CALLBACKS_AT_ONCE }, (_, index) => `sending-${index}`),
  ended: Array.from({ length: 8 }, (_, index) => `ended-${index}`),
  retrying: ["retrying"],
  running: ["running"],
  polling: ["polling"],
  accepted: Array.from({ length: 8 }, (_, index) => `accepted-${index}`),
};

/** Brings each job to where it is when the process goes; returns the subscriptions by job. */
async function bringAbout(
  { upstream, receiver, sql }: ProcessScene,
  gateway: GatewayProcess,
): Promise<Map<string, Json>> {
  const subscriptions = new Map<string, Json>();
  const start = async (jobIds: readonly string[], fields: object = {}): Promise<void> => {
    for (const jobId of jobIds)
      subscriptions.set(jobId, await subscribe(gateway, receiver, jobId, fields));
  };
  await connect(gateway, upstream);

  upstream.answer("delivered", pulseAnswer.completed());
  await start(JOBS.delivered);
  await receiver.takeOne("/delivered");

  upstream.answer("retrying", pulseAnswer.completed());
  receiver.answer("/retrying", [{ status: 503 }, {}]);
  await start(JOBS.retrying);
  await vi.waitFor(async () => {
    // Its next attempt is seconds away.
    expect(
      await sql`select from deliveries where attempt_count > 0 and event_id in (
        select id from events where job_id = 'retrying')`,
    ).toHaveLength(1);
  }, WAIT);

  upstream.answer("running", pulseAnswer.processing());
  await start(JOBS.running);
  await upstream.polled("running", 3);

  for (const jobId of [...JOBS.sending, ...JOBS.ended])
    upstream.answer(jobId, pulseAnswer.completed());
  for (const jobId of JOBS.sending) receiver.answer(`/${jobId}`, ["hang", {}]);
  await start(JOBS.sending);
  await Promise.all(JOBS.sending.map((jobId) => receiver.takeOne(`/${jobId}`)));
  await start(JOBS.ended);
  const withEnding =
    JOBS.delivered.length + JOBS.retrying.length + JOBS.sending.length + JOBS.ended.length;
  await vi.waitFor(async () => {
    expect(await sql`select from events`).toHaveLength(withEnding);
  }, WAIT);

  // One poll at a time, and this one is not answered.
  await connect(gateway, upstream, {
    name: "narrow",
    settings: { poll_interval_s: 0.1, limits: { concurrency: 1 } },
  });
  upstream.answer("polling", ["hang", pulseAnswer.completed()]);
  for (const jobId of JOBS.accepted) upstream.answer(jobId, pulseAnswer.completed());
  await start(JOBS.polling, { connection: "narrow" });
  await upstream.polled("polling", 1);
  await start(JOBS.accepted, { connection: "narrow" });
  return subscriptions;
}

const WAIT = { timeout: 60_000, interval: 10 };

test.for<[string, (gateway: GatewayProcess) => Promise<unknown>]>([
  ["stopped", (gateway) => gateway.stop()],
  ["killed", (gateway) => gateway.crash()],
])(
  "whatever a job was going through when its gateway was %s, its callback arrives after the restart, under the same webhook-id",
  { timeout: 240_000, concurrent: true },
  async ([, end], context) => {
    const scene = await openProcessScene(context, {
      RINGBACK_RETRY_SCHEDULE_S: "10,1,1,1",
      // Receivers that hang do so until the process goes.
      RINGBACK_CALLBACK_TIMEOUT_MS: "120000",
    });
    const { upstream, receiver, sql } = scene;
    const first = await scene.start();
    const subscriptions = await bringAbout(scene, first);
    const owedBefore = await sql<{ id: string }[]>`select id from deliveries order by id`;
    for (const jobId of JOBS.accepted) expect(upstream.polls(jobId)).toEqual([]);
    for (const jobId of JOBS.ended) expect(receiver.received(`/${jobId}`)).toEqual([]);
    await end(first);

    upstream.answer("running", pulseAnswer.completed());
    const second = await scene.start();
    const twice = new Set(JOBS.sending);
    await within(TAKEOVER_MS, [second], () => {
      for (const jobId of subscriptions.keys()) {
        const { length } = receiver.received(`/${jobId}`);
        // On a busy machine the process may go in the middle of a second attempt.
        if (JOBS.retrying.includes(jobId)) expect(length).toBeGreaterThanOrEqual(2);
        else expect(length).toBe(twice.has(jobId) ? 2 : 1);
      }
    });

    for (const [jobId, { id }] of subscriptions) {
      const callbacks = receiver.received(`/${jobId}`);
      expect(callbacks.map(({ problem }) => problem)).toEqual(callbacks.map(() => null));
      const page = await second.until(
        `/v1/subscriptions/${id}/deliveries`,
        ({ data }) => data[0]?.status === "delivered",
      );
      expect(page.data).toHaveLength(1);
      expect(new Set(callbacks.map(({ webhookId }) => webhookId))).toEqual(
        new Set([page.data[0].id]),
      );
      expect(page.data[0].attempt_count).toBe(JOBS.retrying.includes(jobId) ? 2 : 1);
    }
    const owedAfter = await sql<{ id: string }[]>`select id from deliveries order by id`;
    expect(owedAfter.map(({ id }) => id)).toEqual(
      expect.arrayContaining(owedBefore.map(({ id }) => id)),
    );
    expect(owedAfter).toHaveLength(subscriptions.size);
    expect(await breaches(sql)).toEqual([]);
  },
);
