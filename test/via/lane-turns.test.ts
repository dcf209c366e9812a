import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { LaneVerdict } from "../../src/core/job/job.ts";
import { builtInProviders } from "../support/providers.ts";
import { LaneTurn, LaneTurns } from "../../src/via/lane-turns.ts";
import { FakeClock } from "../support/fake-clock.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const PROVIDERS = builtInProviders();
const HEALTHY = { kind: "healthy" };
const SECONDARY = JSON.stringify({ message: "You have exceeded a secondary rate limit." });

/** The verdict of a turn on an answer, at the latest when the turn is given back. */
function verdictOn(
  answer: {
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | Buffer;
  },
  provider: string | null = "github-actions",
): LaneVerdict | undefined {
  const { status, headers = {}, body = "" } = answer;
  const verdicts: LaneVerdict[] = [];
  const known = provider === null ? null : (PROVIDERS.get(provider) ?? null);
  const turn = new LaneTurn(
    { now: () => NOW_MS, monotonic: () => 0 },
    known,
    (verdict) => void verdicts.push(verdict),
  );
  turn.answered({ status, statusText: "", headers, rawHeaders: [] });
  for (const byte of Buffer.from(body)) turn.received(Buffer.from([byte]));
  turn.giveBack();
  turn.giveBack();
  expect(verdicts.length).toBe(1);
  return verdicts[0];
}

test.each<[headers: Record<string, string>, retryAfterMs: number | null]>([
  [{ "retry-after": "4" }, 4000],
  [{ "retry-after": `${NOW_MS / 1000 + 4}` }, 4000],
  [{ "x-ratelimit-reset": `${NOW_MS / 1000 + 4}000000000` }, 4000],
  [{ "x-ratelimit-reset": "4s" }, 4000],
  [{ ratelimit: "limit=100, remaining=0, reset=4" }, 4000],
  [{ "retry-after": "20000" }, 3_600_000],
  [{ "retry-after": "99999999" }, null],
  [{}, null],
])("a 429 to a request through the gateway is read like one to a poll: %j", (headers, waitMs) => {
  expect(verdictOn({ status: 429, headers })).toEqual({
    kind: "rate_limited",
    retryAfterMs: waitMs,
  });
});

test.each<[why: string, answer: Parameters<typeof verdictOn>[0], retryAfterMs: number]>([
  ["whose text says so", { status: 403, body: SECONDARY }, 60_000],
  [
    "whose compressed text says so",
    { status: 403, headers: { "content-encoding": "gzip" }, body: gzipSync(SECONDARY) },
    60_000,
  ],
  ["that says how long", { status: 403, headers: { "retry-after": "120" } }, 120_000],
  [
    "with no request left",
    {
      status: 403,
      headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": `${NOW_MS / 1000 + 600}` },
    },
    600_000,
  ],
])("a 403 %s is a rate limit for the connection's polls", (_, answer, retryAfterMs) => {
  expect(verdictOn(answer)).toEqual({ kind: "rate_limited", retryAfterMs });
});

test("a 403 that names a rate limit is one for a provider without a rule for it too", () => {
  const answer = { status: 403, body: '{"error":"Too Many Requests"}' };
  expect(verdictOn(answer, "pulse")).toEqual({ kind: "rate_limited", retryAfterMs: 60_000 });
});

test("a refusal for another reason slows nothing down, nor does one of a key of the client's", () => {
  expect(verdictOn({ status: 403, body: '{"message":"Resource not accessible"}' })).toEqual(
    HEALTHY,
  );
  expect(verdictOn({ status: 500, body: "<html>" })).toEqual(HEALTHY);
  expect(verdictOn({ status: 200, body: SECONDARY })).toEqual(HEALTHY);
  expect(verdictOn({ status: 429 }, null)).toEqual(HEALTHY);
});

/** A connection with four places, of which requests get two. */
function openTurns() {
  const clock = new FakeClock();
  const settled: string[] = [];
  const lane = { concurrency: 4, settle: ({ kind }: LaneVerdict) => void settled.push(kind) };
  const upstream = { lane, takeTurnAhead: () => 1 };
  const turns = new LaneTurns({ clock });
  return { clock, settled, take: (waitMs: number) => turns.take(upstream, null, waitMs) };
}

test("a request that takes long gives its place to polls after two seconds, once", async () => {
  const { clock, settled, take } = openTurns();
  const first = await take(10_000);
  clock.advance(1_000);
  await take(10_000);
  clock.advance(999);
  expect(settled).toEqual([]);
  clock.advance(1);
  expect(settled.length).toBe(1);
  first?.giveBack();
  expect(settled.length).toBe(1);
  clock.advance(1_000);
  expect(settled.length).toBe(2);
});

test("requests take half of a connection's places at most, the others wait for one of those", async () => {
  const { clock, take } = openTurns();
  const held = [await take(10_000), await take(10_000)];
  const late = take(500);
  const patient = take(1_900);
  clock.advance(500);
  expect(await late).toBeNull();
  held[0]?.giveBack();
  expect(await patient).not.toBeNull();
});
