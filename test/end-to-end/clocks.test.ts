import { randomBytes } from "node:crypto";
import { test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { jobsOwnedBy, startNodePair } from "../support/node-pair.ts";
import { connect, openProcessScene, subscribe } from "../support/process-scene.ts";

const HOUR_MS = 3_600_000;
/** As a URL: a blank in a path would end the option. */
const SHIFTED_DATE = new URL("../support/shifted-date.ts", import.meta.url).href;
const JOBS_EACH = 10;
/** Ten minutes, so that a wrong clock clearly shows. */
const DEADLINE_S = 600;
/** A secret that was rotated at one node is read by the others within 2 s. */
const KEYS_FRESH_MS = 2_500;

test.concurrent.for([
  { name: "an hour ahead and then put back by two", atMs: HOUR_MS },
  { name: "an hour behind and then put forward by two", atMs: -HOUR_MS },
])(
  "while one of two nodes is $name, no ending is false, nothing stops, and the rotated secret signs alone",
  { timeout: 180_000 },
  async ({ atMs }, context) => {
    const { expect } = context;
    const scene = await openProcessScene(context);
    const { upstream, receiver, sql } = scene;
    const [right, wrong] = await startNodePair(scene, {
      NODE_OPTIONS: `--import=${SHIFTED_DATE}`,
      TEST_CLOCK_SHIFT_MS: String(atMs),
      TEST_CLOCK_SHIFT_LATER_MS: String(-atMs),
    });
    const warned = await wrong.logged(
      "this machine's clock differs from the database's, whose time is used; log lines carry the wrong one",
    );
    expect(Math.abs(warned.aheadS - atMs / 1000)).toBeLessThan(60);
    expect(
      Math.abs((await wrong.metric("ringback_clock_ahead_seconds")) - atMs / 1000),
    ).toBeLessThan(60);

    const connection = await connect(right, upstream);
    const jobs: string[] = [];
    for (const [prefix, node] of [
      ["right", right],
      ["wrong", wrong],
    ] as const) {
      jobs.push(...(await jobsOwnedBy(node, sql, { id: connection.id, count: JOBS_EACH, prefix })));
    }
    for (const [index, job] of jobs.entries()) {
      upstream.answer(job, pulseAnswer.processing());
      // Every other one is accepted by the node whose clock is wrong.
      await subscribe(index % 2 === 0 ? right : wrong, receiver, job, { deadline_s: DEADLINE_S });
    }
    await Promise.all(jobs.map((job) => upstream.polled(job, 2)));
    wrong.kill("SIGUSR2");
    await Promise.all(jobs.map((job) => upstream.polledAgain(job, 3)));
    expect(receiver.callbacks).toEqual([]);

    const secret = `whsec_${randomBytes(32).toString("base64")}`;
    const rotated = await right.api("POST", "/v1/signing-secrets/rotate", { overlap_s: 0, secret });
    expect(rotated.status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, KEYS_FRESH_MS));
    for (const job of jobs) {
      receiver.expectSecret(`/${job}`, secret);
      // A retry is due when it is due, too.
      receiver.answer(`/${job}`, [{ status: 500 }, {}]);
      upstream.answer(job, pulseAnswer.completed());
    }
    const callbacks = (await Promise.all(jobs.map((job) => receiver.take(`/${job}`, 2)))).flat();
    for (const { event, headers, timestampS, receivedAtMs } of callbacks) {
      expect(event.type).toBe("job.completed");
      expect(headers["webhook-signature"]).toMatch(/^v1,\S+$/);
      expect(Math.abs(timestampS * 1000 - receivedAtMs)).toBeLessThan(60_000);
      expect(Math.abs(Date.parse(event.timestamp) - receivedAtMs)).toBeLessThan(60_000);
    }
    const [ended] = await sql`select count(*)::int from jobs where status = 'completed'`;
    expect(ended).toEqual({ count: jobs.length });
  },
);
