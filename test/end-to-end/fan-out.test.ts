import { randomBytes } from "node:crypto";
import { expect, test, vi } from "vitest";
import { apiOf, type Api } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { breaches, connect, openProcessScene, subscribe } from "../support/process-scene.ts";
import { createProjectKey } from "../support/second-project.ts";

const WAIT = { timeout: 120_000, interval: 20 };
const CROWD = 20_000;

test(
  "20,000 subscriptions of one job get its ending from a gateway that is killed in the middle, and a second project's jobs in between",
  { timeout: 400_000 },
  async (context) => {
    const env = { RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64") };
    const scene = await openProcessScene(context, env);
    const { upstream, receiver, sql } = scene;
    const key = await createProjectKey(scene, "second", env);
    const first = await scene.start();
    await connect(first, upstream);
    upstream.answer("crowded", pulseAnswer.processing());
    await subscribe(first, receiver, "crowded");
    await sql`
      insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url, callback_origin,
        events, payload, metadata, created_at)
      select shard_id, (left(id::text, 24) || lpad(to_hex(number), 12, '0'))::uuid, project_id,
        job_row_id, callback_url, callback_origin, events, payload, metadata, created_at
      from subscriptions, generate_series(2, ${CROWD}) as number`;

    const second: Api = (method, path, body) =>
      apiOf(first.url)(method, path, body, { authorization: `Bearer ${key}` });
    // Polled often, so that these jobs are known to have ended long before the crowd is through.
    const settings = { poll_interval_s: 0.05 };
    const connection = {
      provider: "pulse",
      credential: "key",
      base_url: upstream.origin,
      settings,
    };
    const { status } = await second("POST", "/v1/connections", connection);
    expect(status).toBe(201);
    const jobIds = Array.from({ length: 10 }, (_, index) => `second-${index}`);
    for (const jobId of jobIds) {
      upstream.answer(jobId, pulseAnswer.processing());
      const wish = { job_id: jobId, callback_url: receiver.url("/second") };
      expect((await second("POST", "/v1/subscriptions", wish)).status).toBe(201);
    }
    upstream.answer("crowded", pulseAnswer.completed());
    await receiver.take("/crowded", 1);
    for (const jobId of jobIds) upstream.answer(jobId, pulseAnswer.completed());
    await vi.waitFor(() => expect(receiver.received("/second")).toHaveLength(10), WAIT);
    // By position: the crowd was not through when the second project's last callback came.
    expect(await sql`select from fan_outs`).toHaveLength(1);
    expect(receiver.received("/crowded").length).toBeLessThan(CROWD);
    await first.crash();
    expect(await sql`select from fan_outs`).toHaveLength(1);

    await scene.start();
    await vi.waitFor(
      async () => {
        const [row] = await sql`
          select count(*)::int, count(distinct subscription_id)::int as subscriptions
          from deliveries where status = 'delivered'`;
        expect(row).toEqual({ count: CROWD + 10, subscriptions: CROWD + 10 });
      },
      { timeout: 300_000, interval: 500 },
    );
    expect(await sql`select from fan_outs`).toHaveLength(0);
    const told = receiver.received("/crowded").map(({ event }) => event.data.subscription_id);
    expect(new Set(told).size).toBe(CROWD);
    expect(await breaches(sql)).toEqual([]);
  },
);
