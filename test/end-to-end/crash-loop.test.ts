import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { ownedShards } from "../support/node-pair.ts";
import { breaches, connect, openProcessScene, subscribe } from "../support/process-scene.ts";
import { within } from "../support/within.ts";

const ALL_SHARDS = 256;
const CRASHES = 4;
const JOBS = 12;

test(
  "beside a node that is killed again and again soon after its start, a healthy one keeps serving all",
  { timeout: 300_000 },
  async (context) => {
    const scene = await openProcessScene(context);
    const { upstream, receiver, sql } = scene;
    const healthy = await scene.start();
    await within(10_000, [healthy], async () =>
      expect(await ownedShards(healthy)).toBe(ALL_SHARDS),
    );
    await connect(healthy, upstream);
    const jobs = Array.from({ length: JOBS }, (_, number) => `job-${number}`);
    for (const job of jobs) {
      upstream.answer(job, pulseAnswer.processing());
      await subscribe(healthy, receiver, job);
    }

    for (let crash = 0; crash < CRASHES; crash += 1) {
      const looping = await scene.start();
      // As long as such a process lives; nothing is waited for.
      await sleep(500);
      await looping.crash();
      // Leases of the dead are over on this machine, or count for nothing: all is served throughout.
      expect(await ownedShards(healthy)).toBe(ALL_SHARDS);
      await Promise.all(jobs.map((job) => upstream.polledAgain(job)));
    }
    expect(healthy.output()).not.toMatch(/"released":[1-9]/);

    for (const job of jobs) upstream.answer(job, pulseAnswer.completed());
    await Promise.all(jobs.map((job) => receiver.takeOne(`/${job}`)));
    expect(await breaches(sql)).toEqual([]);
  },
);
