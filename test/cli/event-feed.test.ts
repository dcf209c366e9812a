import { beforeEach, expect, test } from "vitest";
import { EventFeed } from "../../src/cli/listen/event-feed.ts";
import { Ringback } from "../../src/client/ringback.ts";

/* `tail` gets each event once, and sends no requests while nothing happens. */

const NEVER = new AbortController().signal;
const START_MS = Date.parse("2026-01-01T00:00:00Z");

let nowMs: number;
/** The events of the gateway, in any order. */
let recorded: { readonly number: number; readonly atMs: number }[];
let asked: URL[];

beforeEach(() => {
  nowMs = 0;
  recorded = [];
  asked = [];
});

function eventOf({ number, atMs }: (typeof recorded)[number]) {
  const data = { job_id: `job-${number}`, provider: "pulse" };
  return {
    id: `evt_${String(number).padStart(32, "0")}`,
    type: "job.completed",
    timestamp: new Date(atMs).toISOString(),
    data,
  };
}

function feedOf(since: string | null): EventFeed {
  const ringback = new Ringback({
    url: "http://127.0.0.1",
    apiKey: "rb_x",
    fetch: async (text) => {
      const url = new URL(text);
      asked.push(url);
      if (url.pathname.endsWith("/wait")) return new Response(null, { status: 204 });
      const after = Date.parse(url.searchParams.get("created_after") ?? "1970-01-01");
      const data = recorded
        .filter(({ atMs }) => atMs > after)
        .toSorted((a, b) => b.number - a.number)
        .map(eventOf);
      return Response.json({ object: "list", data, has_more: false, next_cursor: null });
    },
  });
  return new EventFeed(ringback, since, () => nowMs);
}

const given = async (feed: EventFeed): Promise<string[]> =>
  (await feed.next(NEVER)).map(({ jobId }) => jobId);

async function waitOf(feed: EventFeed): Promise<string> {
  await feed.wait(NEVER);
  return asked.at(-1)?.search ?? "";
}

test("an event that is committed after a newer one is given too, each once", async () => {
  const feed = feedOf(null);
  recorded.push({ number: 1, atMs: START_MS });
  expect(await given(feed)).toEqual([]);
  recorded.push({ number: 3, atMs: START_MS + 2_000 });
  expect(await given(feed)).toEqual(["job-3"]);
  recorded.push({ number: 2, atMs: START_MS + 1_999 });
  expect(await given(feed)).toEqual(["job-2"]);
  recorded.push({ number: 4, atMs: START_MS + 2_001 });
  expect(await given(feed)).toEqual(["job-4"]);
  expect(await given(feed)).toEqual([]);
});

test("late events are looked for during ten seconds; after that one request waits half a minute for the next one", async () => {
  const feed = feedOf(null);
  expect(await waitOf(feed)).toBe("?timeout_s=1");
  recorded.push({ number: 7, atMs: START_MS });
  await feed.next(NEVER);
  nowMs += 9_999;
  expect(await waitOf(feed)).toBe(`?after=evt_${"0".repeat(31)}7&timeout_s=1`);
  nowMs += 1;
  expect(await waitOf(feed)).toBe(`?after=evt_${"0".repeat(31)}7&timeout_s=30`);
  recorded.push({ number: 8, atMs: START_MS + 60_000 });
  expect(await given(feed)).toEqual(["job-8"]);
  expect(await waitOf(feed)).toBe(`?after=evt_${"0".repeat(31)}8&timeout_s=1`);
});
