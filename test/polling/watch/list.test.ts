import { describe, expect, test } from "vitest";
import { eventBit } from "../../../src/core/delivery/event.ts";
import { packUuids } from "../../../src/core/ids/packed-uuids.ts";
import { WatchList } from "../../../src/polling/watch/list.ts";
import type { Upstream } from "../../../src/polling/upstream/upstream.ts";
import type { Watch } from "../../../src/polling/watch/watch.ts";
import type { LiveJob } from "../../../src/store/jobs/load-jobs.ts";
import type { StoredConnection } from "../../../src/store/connections/load-connections.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { builtInOnly } from "../../support/providers.ts";
import { CONNECTION_ID } from "../../support/rows.ts";
import { liveJob, openBox, storedConnection, NO_CEILINGS } from "../jobs.ts";
import { testRuntime } from "../../support/runtime.ts";

const HORIZON_MS = 90_000;
const SWEEP_MS = 30_000;

function setUp(connection: StoredConnection | null = storedConnection()) {
  const clock = new FakeClock();
  const startedAtMs = clock.now();
  const polls: { readonly watch: Watch; readonly atMs: number }[] = [];
  const timedOut: { readonly watch: Watch; readonly atMs: number }[] = [];
  let drawn = 0;
  const list = new WatchList(testRuntime({ clock, random: () => (drawn++ % 100) / 100 }), {
    providers: builtInOnly(),
    secretBox: openBox,
    userAgent: "Ringback/test",
    ceilings: NO_CEILINGS,
    probe: () => undefined,
    pollsPerOriginMax: 2048,
    poll(_upstream: Upstream, watch) {
      watch.state = "polling";
      polls.push({ watch, atMs: clock.now() - startedAtMs });
    },
    timeOut(watch) {
      watch.state = "ending";
      timedOut.push({ watch, atMs: clock.now() - startedAtMs });
    },
  });
  if (connection !== null) list.configureConnection(connection);
  const add = (changes: Partial<LiveJob> = {}, firstPoll: "at_once" | "spread" = "at_once") => {
    const job = liveJob(clock.now(), changes);
    list.watch(job, firstPoll);
    return job;
  };
  /** Ends the last poll of a job with nothing new. */
  const stillRunning = (job: LiveJob, nextInMs: number): void => {
    const watch = polls.findLast((poll) => poll.watch.id === job.id)?.watch;
    if (watch === undefined) throw new Error("not polled yet");
    watch.lastPolledAtMs = clock.now();
    list.schedule(watch, clock.now() + nextInMs);
    list.upstream(watch.connectionId).lane.settle({ kind: "healthy" });
  };
  const polled = (job: LiveJob) => polls.filter(({ watch }) => watch.id === job.id);
  return { clock, list, polls, timedOut, add, stillRunning, polled };
}

describe("the first poll", () => {
  test("the first poll of a new job comes at once, because it may have ended before", () => {
    const { polls, add } = setUp();
    add();
    expect(polls).toMatchObject([{ atMs: 0 }]);
  });

  test("the first polls of loaded jobs are spread over their interval", () => {
    const { clock, polls, add } = setUp();
    for (let job = 0; job < 50; job += 1) add({ acceptedAtMs: clock.now() - 60_000 }, "spread");
    expect(polls.length).toBeLessThanOrEqual(1);
    clock.advance(300);
    expect(polls.length).toBeGreaterThan(25);
    expect(polls.length).toBeLessThan(35);
    clock.advance(700);
    expect(polls).toHaveLength(50);
  });

  test("jobs that are polled once an hour are polled as seconds begin, and so is the next time", () => {
    const hourly = storedConnection({ settings: { poll_interval_s: 3_600 } });
    const { clock, polls, add, stillRunning } = setUp(hourly);
    const begunAtMs = clock.monotonic();
    const jobs = Array.from({ length: 50 }, () => add({}, "spread"));
    clock.advance(60_000);
    const early = polls.length;
    clock.advance(3_541_000);
    expect(polls).toHaveLength(jobs.length);
    for (const job of jobs) stillRunning(job, 3_600_123.5);
    clock.advance(3_602_000);
    expect(polls).toHaveLength(2 * jobs.length);
    const fractions = polls.slice(early).map(({ atMs }) => (begunAtMs + atMs) % 1_000);
    expect(new Set(fractions)).toEqual(new Set([0]));
  });

  test("the first poll of an old job waits at most as long as its schedule has become", () => {
    const { clock, polls, add } = setUp(storedConnection({ settings: {} }));
    for (let job = 0; job < 64; job += 1) add({ acceptedAtMs: clock.now() - 60_000 }, "spread");
    clock.advance(5_000);
    expect(polls.length).toBeLessThan(60);
    // Pulse's poll interval has grown to this after a minute.
    clock.advance(5_000);
    expect(polls).toHaveLength(64);
  });

  test("the first poll waits for a connection that is not known yet, and then comes at once", () => {
    const { clock, list, polls, add } = setUp(null);
    add();
    clock.advance(10_000);
    expect(polls).toEqual([]);
    list.configureConnection(storedConnection());
    expect(polls).toMatchObject([{ atMs: 10_000 }]);
  });
});

describe("a job that is handed over twice", () => {
  test("a job handed over twice is polled once, with the events of the newest subscription", () => {
    const { list, polls, add } = setUp();
    const job = add();
    list.watch({ ...job, wantedEvents: eventBit("job.progress") }, "spread");
    expect(list.size).toBe(1);
    expect(polls).toHaveLength(1);
    expect(polls[0]?.watch.wantedEvents).toBe(job.wantedEvents | eventBit("job.progress"));
  });

  test("a job handed over twice keeps the later deadline", () => {
    const { clock, list, timedOut, add } = setUp();
    const job = add({ deadlineAtMs: clock.now() + 10_000 });
    list.watch({ ...job, deadlineAtMs: clock.now() + 20_000 }, "at_once");
    list.watch({ ...job, deadlineAtMs: clock.now() + 5_000 }, "at_once");
    clock.advance(20_000);
    // A poll hangs, and is not waited for any longer than its answer can take.
    clock.advance(2 * 30_000 + 29_999);
    expect(timedOut).toEqual([]);
    clock.advance(1);
    expect(timedOut).toMatchObject([{ atMs: 110_000 }]);
  });
});

describe("a deadline", () => {
  test("a deadline is kept to the millisecond while the connection is paused", () => {
    const { clock, list, timedOut, add } = setUp();
    list.upstream(CONNECTION_ID).suspend("paused");
    add({ deadlineAtMs: clock.now() + 6_000 });
    clock.advance(60_000);
    expect(timedOut.map(({ atMs }) => atMs)).toEqual([6_000]);
  });

  test("a deadline of a job that was just polled is kept to the millisecond", () => {
    const { clock, timedOut, add, stillRunning } = setUp();
    const job = add({ deadlineAtMs: clock.now() + 6_000 });
    stillRunning(job, 3_600_000);
    clock.advance(60_000);
    expect(timedOut.map(({ atMs }) => atMs)).toEqual([6_000]);
  });

  test("a deadline makes a job that was not polled for long be polled once more", () => {
    const { clock, polls, timedOut, add, stillRunning } = setUp();
    const job = add({ deadlineAtMs: clock.now() + 60_000 });
    stillRunning(job, 3_600_000);
    clock.advance(60_000);
    expect(timedOut).toEqual([]);
    expect(polls.map(({ atMs }) => atMs)).toEqual([0, 60_000]);
  });

  test("a deadline that passed while the job was not watched makes it be polled once, at once", () => {
    const { clock, polls, timedOut, add } = setUp();
    add({ deadlineAtMs: clock.now() - 3_600_000 }, "spread");
    clock.advance(0);
    expect(timedOut).toEqual([]);
    expect(polls.map(({ atMs }) => atMs)).toEqual([0]);
  });

  test("a deadline waits for a turn as long as a request may take, and no longer", () => {
    const { clock, timedOut, add } = setUp(
      storedConnection({ settings: { limits: { concurrency: 1 } } }),
    );
    add({ deadlineAtMs: clock.now() + 3_600_000 });
    add({ deadlineAtMs: clock.now() + 5_000 });
    clock.advance(34_999);
    expect(timedOut).toEqual([]);
    clock.advance(1);
    expect(timedOut).toMatchObject([{ atMs: 35_000 }]);
  });

  test("a distant deadline holds no alarm until a sweep finds it near", () => {
    const { clock, list, timedOut, add } = setUp(null);
    const job = add({ deadlineAtMs: clock.now() + 3_600_000 + 500 });
    expect(clock.timers).toBe(0);
    for (let atMs = 0; atMs < 3_600_000; atMs += SWEEP_MS) {
      list.inspectShard(job.shardId, 100);
      clock.advance(SWEEP_MS);
      expect(timedOut).toEqual([]);
    }
    clock.advance(500);
    expect(timedOut).toMatchObject([{ atMs: 3_600_500 }]);
  });

  test("a deadline just within the horizon needs no sweep", () => {
    const { clock, timedOut, add } = setUp(null);
    add({ deadlineAtMs: clock.now() + HORIZON_MS });
    clock.advance(HORIZON_MS);
    expect(timedOut).toHaveLength(1);
  });

  test("a deadline means nothing to a job that is ending or dropped", () => {
    const { clock, list, polls, timedOut, add } = setUp();
    const gone = add({ deadlineAtMs: clock.now() + 1_000 });
    add({ deadlineAtMs: clock.now() + 1_000 });
    list.unwatch(gone.shardId, gone.id);
    const ending = polls[1]?.watch;
    if (ending !== undefined) ending.state = "ending";
    clock.advance(5_000);
    expect(timedOut).toEqual([]);
  });
});

describe.each([
  ["back", -3_600_000],
  ["forward", 3_600_000],
])("a clock set %s by an hour", (_, byMs) => {
  test("a clock that is set back or forward moves no poll, and the next one is shown in the new time", () => {
    const { clock, list, add, stillRunning, polled } = setUp();
    const job = add({ deadlineAtMs: clock.now() + 10 * 3_600_000 });
    stillRunning(job, 10_000);
    clock.setNow(clock.now() + byMs);
    expect(list.view(job.shardId, job.id)?.nextPollAtMs).toBe(clock.now() + 10_000);
    clock.advance(9_999);
    expect(polled(job)).toHaveLength(1);
    clock.advance(1);
    expect(polled(job)).toHaveLength(2);
  });

  test("a clock that is set back or forward lets a deadline pass in the new time", () => {
    const { clock, list, timedOut, add } = setUp();
    // So that no last poll is waited for.
    list.upstream(CONNECTION_ID).suspend("paused");
    const job = add({ deadlineAtMs: clock.now() + 60_000 });
    clock.setNow(clock.now() + byMs);
    list.inspectShard(job.shardId, 100);
    clock.advance(59_999);
    expect(timedOut).toHaveLength(byMs > 0 ? 1 : 0);
    for (let passedMs = 0; passedMs < Math.max(0, -byMs); passedMs += SWEEP_MS) {
      expect(timedOut).toEqual([]);
      list.inspectShard(job.shardId, 100);
      clock.advance(SWEEP_MS);
    }
    clock.advance(1);
    expect(timedOut).toHaveLength(1);
  });
});

describe("poll now", () => {
  test("poll now brings the next poll forward, once however often it is requested", () => {
    const { clock, list, add, stillRunning, polled } = setUp();
    const job = add();
    stillRunning(job, 60_000);
    list.upstream(CONNECTION_ID).lane.pause(clock.monotonic() + 1_000);
    for (let asked = 0; asked < 5; asked += 1) list.pollNow(job.shardId, job.id);
    clock.advance(1_000);
    expect(polled(job)).toHaveLength(2);
    stillRunning(job, 60_000);
    clock.advance(59_999);
    expect(polled(job)).toHaveLength(2);
    clock.advance(1);
    expect(polled(job)).toHaveLength(3);
  });

  test("poll now during a poll is remembered, not sent beside it", () => {
    const { list, polls, add } = setUp();
    const job = add();
    list.pollNow(job.shardId, job.id);
    expect(polls).toHaveLength(1);
    expect(polls[0]?.watch.pollAgain).toBe(true);
  });

  test("poll now for a job that is not watched does nothing", () => {
    const { list, polls } = setUp();
    list.pollNow(1, "unknown");
    expect(polls).toEqual([]);
  });
});

describe("letting go", () => {
  test("dropping a job ends its polling", () => {
    const { clock, list, add, stillRunning, polled } = setUp();
    const job = add();
    stillRunning(job, 1_000);
    list.unwatch(job.shardId, job.id);
    clock.advance(60_000);
    expect(polled(job)).toHaveLength(1);
    expect([list.size, list.holds(job.shardId, job.id)]).toEqual([0, false]);
    expect(list.view(job.shardId, job.id)).toBeNull();
  });

  test("dropping a job whose ending is being recorded waits for that", () => {
    const { list, polls, add } = setUp();
    const job = add();
    const watch = polls[0]?.watch;
    if (watch !== undefined) watch.state = "ending";
    list.unwatch(job.shardId, job.id);
    expect(list.holds(job.shardId, job.id)).toBe(true);
  });

  test("dropping a shard leaves the others alone, and the shard can come back", () => {
    const { clock, list, add, stillRunning, polled } = setUp();
    const goes = add({ shardId: 1 });
    const stays = add({ shardId: 2 });
    for (const job of [goes, stays]) stillRunning(job, 1_000);
    list.dropShard(1);
    clock.advance(1_000);
    expect([polled(goes).length, polled(stays).length]).toEqual([1, 2]);
    expect(list.heldIds(1)).toEqual(packUuids([]));
    expect(list.heldIds(2)).toEqual(packUuids([stays.id]));
    list.watch(goes, "spread");
    clock.advance(1_000);
    expect(polled(goes)).toHaveLength(2);
  });

  test("after closing nothing is polled, times out or is added", () => {
    const { clock, list, polls, timedOut, add, stillRunning } = setUp();
    stillRunning(add({ deadlineAtMs: clock.now() + 2_000 }), 1_000);
    list.close();
    add();
    clock.advance(10_000);
    expect([polls.length, timedOut.length, list.size]).toEqual([1, 0, 1]);
  });
});

describe("the view of a job", () => {
  test("a watched job shows when it is polled next, or why it is not", () => {
    const { clock, list, add, stillRunning } = setUp();
    const job = add({ progress: '{"n":1.0}', lastError: "HTTP 500" });
    const look = () => list.view(job.shardId, job.id);
    expect(look()).toMatchObject({ nextPollAtMs: null, progress: '{"n":1.0}' });
    stillRunning(job, 1_000);
    expect(look()).toMatchObject({ nextPollAtMs: clock.now() + 1_000, lastError: "HTTP 500" });
    list.upstream(CONNECTION_ID).suspend("The connection is paused: by hand");
    expect(look()).toMatchObject({
      nextPollAtMs: null,
      lastError: "The connection is paused: by hand",
    });
  });
});

describe("checkpoints", () => {
  test("checkpoints beyond the bound of a round are written in the next", () => {
    const { clock, list, polls, add } = setUp();
    for (let job = 0; job < 50; job += 1) add();
    clock.advance(SWEEP_MS);
    for (const { watch } of polls) watch.pollCount = 1;
    const told = [1, 2, 3].map(() => list.inspectShard(7, 30).map(({ id }) => id));
    expect(told.map((ids) => ids.length)).toEqual([30, 20, 0]);
    expect(new Set(told.flat()).size).toBe(50);
  });
});
