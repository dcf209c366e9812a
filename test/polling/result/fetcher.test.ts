import { describe, expect, test } from "vitest";
import {
  ENDING_EVENT_TYPES,
  eventMask,
  WANTS_RESULT_FETCHED,
} from "../../../src/core/delivery/event.ts";
import type { LiveJob } from "../../../src/store/jobs/load-jobs.ts";
import type { RequestOutcome } from "../../../src/outbound/exchange/request-outcome.ts";
import { answeredJson } from "../jobs.ts";
import { startPoller } from "../poller-harness.ts";
import { CONNECTION_ID } from "../../support/rows.ts";

const LINKED: Partial<LiveJob> = {
  wantedEvents: eventMask(ENDING_EVENT_TYPES) | WANTS_RESULT_FETCHED,
};
const FETCHED = answeredJson({ pages: 3 });

/** A poller whose jobs have completed with links of one download each, which `download` answers. */
function openFetching(download: (path: string) => RequestOutcome | Promise<RequestOutcome>) {
  const harness = startPoller();
  const downloads: string[] = [];
  harness.upstream.answer = (path, _poll, origin) => {
    const url = `${origin}${path.replace("/job/", "/large_results/")}`;
    if (path.startsWith("/job/")) {
      return answeredJson({ job_id: "any", status: "completed", result: { is_url: true, url } });
    }
    downloads.push(path);
    return download(path);
  };
  const endings = () =>
    harness.recorded.map(({ type, resultFetch }) => ({
      type,
      fetch: JSON.parse(resultFetch ?? "null")?.status,
    }));
  return { ...harness, downloads, endings };
}

const away = () => Promise.reject(Object.assign(new Error("away"), { code: "ECONNREFUSED" }));

describe("a result that is fetched", () => {
  test.each(["claim", "storePart", "keep"] as const)(
    "a fetched result survives a database that is away for a minute (%s)",
    async (call) => {
      const { store, clock, add, endings, downloads } = openFetching(() => FETCHED);
      const answered = store.fetched[call];
      store.fetched[call] = away;
      add(LINKED);
      await clock.advanceSettling(60_000);
      expect(endings()).toEqual([]);
      Object.assign(store.fetched, { [call]: answered });
      await clock.advanceSettling(10_000);
      expect(endings()).toEqual([{ type: "job.completed", fetch: "stored" }]);
      expect(downloads).toHaveLength(1);
    },
  );

  test("a fetched result is reported as failed when a broken download can't be cleaned up", async () => {
    const harness = openFetching(() => {
      void harness.requests.at(-1)?.request.sink?.take(Buffer.alloc(2 ** 20));
      return {
        kind: "failed",
        failure: { code: "body_too_large", message: "Too large" },
        durationMs: 1,
      };
    });
    const { store, clock, add, recorded } = harness;
    store.fetched.discardParts = away;
    add(LINKED);
    await clock.advanceSettling(1_000);
    expect(recorded[0]?.resultFetch).toContain("body_too_large");
  });

  test.each([
    [202, "stored"],
    [206, "failed"],
  ])("an answer of %i is not a fetched result", async (status, fetch) => {
    let asked = 0;
    const { clock, add, endings } = openFetching(() => {
      asked += 1;
      return asked === 1 ? answeredJson({ part: 1 }, status) : FETCHED;
    });
    add(LINKED);
    await clock.advanceSettling(10_000);
    expect(endings()).toEqual([{ type: "job.completed", fetch }]);
    expect(asked).toBe(status === 202 ? 2 : 1);
  });

  test("a result is downloaded once when its shard is lost and its job is watched again in between", async () => {
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    const { poller, clock, add, endings, downloads } = openFetching(() => promise);
    const job = add(LINKED);
    await clock.advanceSettling(1_000);
    poller.watches.dropShard(job.shardId);
    poller.watches.watch(job, "at_once");
    await clock.advanceSettling(5_000);
    resolve(FETCHED);
    await clock.advanceSettling(1_000);
    expect(downloads).toHaveLength(1);
    expect(endings()).toEqual([{ type: "job.completed", fetch: "stored" }]);
  });

  test("a result is left to the node that fetches it, and is what that node has stored", async () => {
    const { store, clock, add, endings, downloads } = openFetching(() => FETCHED);
    store.fetched.claim = () => Promise.resolve({ kind: "taken" });
    add(LINKED);
    await clock.advanceSettling(60_000);
    expect(endings()).toEqual([]);
    const note = JSON.stringify({ status: "stored" });
    const fetched = { eventId: "0190c0de-0000-7000-8000-00000000e001", note, fetchedAtMs: 0 };
    store.fetched.claim = () => Promise.resolve({ kind: "stored", fetched });
    await clock.advanceSettling(2_000);
    expect(endings()).toEqual([{ type: "job.completed", fetch: "stored" }]);
    expect(downloads).toEqual([]);
  });

  test("a failed fetch says why, also of a node that died while fetching", async () => {
    const { store, clock, add, recorded } = openFetching(() => answeredJson({}, 410));
    store.fetched.claim = () => Promise.resolve({ kind: "claimed", brokeOffBefore: true });
    add(LINKED);
    await clock.advanceSettling(1_000);
    expect(recorded[0]?.resultFetch).toContain("broke off");
  });

  test("a fetched result stays claimed for as long as the download takes", async () => {
    const { store, clock, add } = openFetching(() => new Promise(() => {}));
    let renewals = 0;
    store.fetched.renewClaim = () => Promise.resolve(void (renewals += 1));
    add(LINKED);
    await clock.advanceSettling(60_000);
    expect(renewals).toBeGreaterThanOrEqual(29);
  });

  test("a fetched result does not wait for slow downloads of other connections", async () => {
    const OTHER_CONNECTION = "0190c0de-0000-7000-8000-00000000c002";
    const slow = new Promise<RequestOutcome>(() => {});
    const harness = openFetching((path) => (path.endsWith("quick") ? FETCHED : slow));
    const { connect, clock, add, endings } = harness;
    connect({ id: OTHER_CONNECTION, name: "other" });
    for (let count = 0; count < 50; count += 1) add(LINKED);
    await clock.advanceSettling(1_000);
    add({ ...LINKED, connectionId: OTHER_CONNECTION, jobId: "quick" });
    await clock.advanceSettling(1_000);
    expect(endings()).toEqual([{ type: "job.completed", fetch: "stored" }]);
  });

  test("a connection has 8 downloads and a project 16 at a time, in turns", async () => {
    const names = ["a", "b", "c"].map((name) => [name, CONNECTION_ID.replace(/.$/, name)] as const);
    const waiting = new Map<string, (outcome: RequestOutcome) => void>();
    const { connect, clock, add, downloads, poller } = openFetching(
      (path) => new Promise((resolve) => void waiting.set(path, resolve)),
    );
    for (const [name, id] of names) connect({ id, name });
    for (const [name, connectionId] of names) {
      for (let count = 0; count < 12; count += 1) {
        add({ ...LINKED, connectionId, jobId: `${name}-${count}` });
      }
    }
    await clock.advanceSettling(5_000);
    const inProgress = (name: string) =>
      downloads.filter((path) => path.includes(`/${name}-`)).length;
    expect(downloads).toHaveLength(16);
    for (const [name] of names) expect(inProgress(name)).toBeLessThanOrEqual(8);
    waiting.get(downloads[0] ?? "")?.(FETCHED);
    await clock.advanceSettling(1_000);
    expect(downloads).toHaveLength(17);
    // Those that wait for their turn end with the poller; those in progress end with their connections.
    const stopped = poller.stop();
    for (const end of waiting.values()) end(FETCHED);
    await clock.advanceSettling(1_000);
    await stopped;
    expect(downloads).toHaveLength(17);
  });
});
