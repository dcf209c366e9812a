import { expect, test } from "vitest";
import { WatchedStatuses } from "../../../src/cluster/questions/watched-statuses.ts";
import type { Database } from "../../../src/store/db/database.ts";
import { answeredJson } from "../../polling/jobs.ts";
import { startPoller } from "../../polling/poller-harness.ts";
import { testRuntime } from "../../support/runtime.ts";

test("a request that waits for a job of this node waits on when the job's shard goes to another node and comes back", async () => {
  const { clock, poller, upstream, add } = startPoller();
  upstream.answer = () => answeredJson({ status: "pending" });
  const job = add();
  await clock.advanceSettling(1_000);
  const database: Database = {
    run: <T>(name: string) => Promise.resolve((name === "find-live-job" ? [{}] : []) as T),
    transaction: () => Promise.reject(new Error("A question takes no transaction.")),
  };
  const shards = { isHere: true, has: () => shards.isHere };
  const asked: string[] = [];
  const commands = {
    send: (kind: string) => {
      asked.push(kind);
      return Promise.resolve();
    },
  };
  const statuses = new WatchedStatuses(testRuntime({ clock }), {
    database,
    shards,
    hasNeighbors: () => true,
    poller,
    commands,
  });
  const { signal } = new AbortController();
  expect(statuses.latest(job)).toBe("awaited");
  const first = statuses.first(job, signal);
  await clock.advanceSettling(1_000);
  const known = await first;
  if (known === null) throw new Error("unreachable");
  const held = statuses.moved(job, known, 60_000, signal);
  shards.isHere = false;
  for (const id of poller.watches.dropShard(job.shardId)) poller.observed.release(id);
  await clock.advanceSettling(2_000);
  expect(asked).toEqual(["observe"]);
  shards.isHere = true;
  poller.watches.watch(job, "at_once");
  await clock.advanceSettling(20_000);
  upstream.answer = () => answeredJson({ status: "completed", result: {} });
  await clock.advanceSettling(20_000);
  expect(await held).toMatchObject({ isEnding: true, state: "completed" });
});
