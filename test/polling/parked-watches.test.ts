import { describe, expect, test } from "vitest";
import type { JobProviders, Upstream } from "../../src/polling/upstream/upstream.ts";
import { WatchList } from "../../src/polling/watch/list.ts";
import type { Watch } from "../../src/polling/watch/watch.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { CONNECTION_ID, PROJECT_ID, uuids } from "../support/rows.ts";
import { liveJob, openBox, storedConnection, NO_CEILINGS } from "./jobs.ts";
import { testRuntime } from "../support/runtime.ts";

const VERSION_ID = uuids(Date.now(), 0);
const CONNECTION = storedConnection({
  provider: "example",
  baseUrl: null,
  agreedHosts: ["https://api.example.com"],
});

/** One job, begun under a definition that leads elsewhere, polled once and parked for it. */
function setUp() {
  const clock = new FakeClock();
  const polls: { readonly upstream: Upstream; readonly watch: Watch }[] = [];
  const timedOut: Watch[] = [];
  let definition = exampleProvider({ base_url: "https://elsewhere.example" });
  const providers: JobProviders = { current: () => definition, ofJob: () => definition };
  const list = new WatchList(testRuntime({ clock, random: () => 0 }), {
    providers,
    secretBox: openBox,
    userAgent: "Ringback/test",
    ceilings: NO_CEILINGS,
    probe: () => undefined,
    pollsPerOriginMax: 2048,
    poll(upstream, watch) {
      watch.state = "polling";
      polls.push({ upstream, watch });
    },
    timeOut: (watch) => void timedOut.push(watch),
  });
  list.configureConnection(CONNECTION);
  const job = liveJob(clock.now(), { provider: "example", providerVersionId: VERSION_ID });
  list.watch(job, "at_once");
  const parkAgain = (): void => {
    const last = polls.at(-1);
    if (last === undefined) throw new Error("not polled");
    list.park(last.upstream, last.watch);
    last.upstream.lane.settle({ kind: "healthy" });
  };
  parkAgain();
  return {
    clock,
    list,
    polls,
    timedOut,
    job,
    upstream: list.upstream(CONNECTION_ID),
    parkAgain,
    mendDefinition(): void {
      definition = exampleProvider();
      list.providerChanged(PROJECT_ID, "example");
    },
  };
}

describe("a job that can't be asked about while others of its connection can", () => {
  test("a job that can't be polled takes no turn of its connection's others, and says why", () => {
    const { clock, list, polls, upstream, job } = setUp();
    clock.advance(60_000);
    expect(polls).toHaveLength(1);
    expect(upstream.lane.queued).toBe(0);
    expect(list.view(job.shardId, job.id)).toMatchObject({
      nextPollAtMs: null,
      lastError: expect.stringContaining("leads to https://elsewhere.example"),
    });
  });

  test("a parked job continues at once when its connection approves the new host", () => {
    const { list, polls, job } = setUp();
    list.configureConnection({ ...CONNECTION, agreedHosts: ["https://elsewhere.example"] });
    expect(polls).toHaveLength(2);
    expect(list.view(job.shardId, job.id)?.lastError).toBeNull();
  });

  test("a parked job continues at once when its provider can be used", () => {
    const { polls, mendDefinition } = setUp();
    mendDefinition();
    expect(polls).toHaveLength(2);
  });

  test("a parked job is not woken by changes of another provider or project", () => {
    const { list, polls } = setUp();
    list.providerChanged(PROJECT_ID, "other");
    list.providerChanged(CONNECTION_ID, "example");
    expect(polls).toHaveLength(1);
  });

  test("a parked job tries again when somebody requests a poll", () => {
    const { list, polls, job, parkAgain } = setUp();
    list.pollNow(job.shardId, job.id);
    expect(polls).toHaveLength(2);
    parkAgain();
    expect(list.view(job.shardId, job.id)?.nextPollAtMs).toBeNull();
  });

  test("a parked job still has its deadline", () => {
    const { clock, list, timedOut, job } = setUp();
    list.inspectShard(job.shardId, 0);
    clock.advance(3_600_000 - 30_000);
    list.inspectShard(job.shardId, 0);
    clock.advance(30_000);
    expect(timedOut.map(({ id }) => id)).toEqual([job.id]);
  });

  test("a job waits in its lane with the others when nothing can be sent at all", () => {
    const { list, upstream, job } = setUp();
    upstream.suspend("HTTP 401");
    list.pollNow(job.shardId, job.id);
    expect(upstream.lane.queued).toBe(1);
    upstream.restore(0);
    expect(upstream.lane.queued).toBe(0);
  });
});
