import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { RequestOutcome } from "../../../src/outbound/exchange/request-outcome.ts";
import { RawAnswers } from "../../../src/polling/watch/raw-answers.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { answeredJson, CREDENTIAL } from "../jobs.ts";
import { startPoller } from "../poller-harness.ts";

const MINUTE_MS = 60_000;

function answer(
  status: number,
  body: Buffer,
  headers: Record<string, string> = {},
): RequestOutcome {
  return { kind: "answered", status, headers, body, truncated: false, durationMs: 1 };
}

/** A job of the poller, and how somebody looks at it. */
function startWatched() {
  const harness = startPoller();
  const job = harness.add();
  const look = () => {
    harness.poller.watches.inspect(job.shardId, job.id);
    return harness.poller.rawAnswers.ask(job.id, job.projectId);
  };
  return { ...harness, job, look };
}

describe("raw answers", () => {
  test("a raw answer is kept from the first look on, whatever it says, without the credential and cookies", async () => {
    const { clock, upstream, look } = startWatched();
    const body = Buffer.from(`<html>gateway says ${CREDENTIAL}, id 12345678901234567890.10</html>`);
    const headers = { "x-echo": CREDENTIAL, "set-cookie": "session=1", "retry-after": "1" };
    upstream.answer = () => answer(502, body, headers);
    await clock.advanceSettling(2_000);
    expect(look()).toBeNull();
    await clock.advanceSettling(5_000);
    const raw = look();
    expect(raw).toMatchObject({ status: 502, bodyBytes: body.length });
    expect(raw?.headers).toMatchObject({ "retry-after": "1" });
    expect(raw?.body).toContain("12345678901234567890.10");
    expect(JSON.stringify(raw)).not.toContain(CREDENTIAL);
    expect(JSON.stringify(raw)).not.toContain("session=1");
  });

  test("a raw answer is decoded, and cut where it is long", async () => {
    const { clock, upstream, look } = startWatched();
    const text = JSON.stringify({ status: "processing", text: "x".repeat(100_000) });
    look();
    upstream.answer = () => answer(200, Buffer.from(text));
    await clock.advanceSettling(2_000);
    expect(look()).toMatchObject({ body: text.slice(0, 8192), bodyBytes: text.length });
    const packed = gzipSync(text);
    upstream.answer = () => answer(200, packed, { "content-encoding": "gzip" });
    await clock.advanceSettling(5_000);
    expect(look()).toMatchObject({ body: text.slice(0, 8192), bodyBytes: packed.length });
  });

  test("a raw answer outlives its job, and is no longer kept minutes after the last look", async () => {
    const { clock, upstream, recorded, look } = startWatched();
    look();
    await clock.advanceSettling(2_000);
    const before = look();
    await clock.advanceSettling(6 * MINUTE_MS);
    // Watching starts again, and shows the answer of five minutes ago at most.
    expect(look()?.atMs ?? 0).toBeLessThanOrEqual((before?.atMs ?? 0) + 5 * MINUTE_MS + 10_000);
    const done = { job_id: "job", status: "completed", result: { total: 1 } };
    upstream.answer = () => answeredJson(done);
    await clock.advanceSettling(2_000);
    expect(recorded).toHaveLength(1);
    expect(look()?.body).toBe(JSON.stringify(done));
  });

  test("raw answers are kept of the 200 jobs that were looked at most lately", () => {
    const answers = new RawAnswers(new FakeClock());
    for (let job = 0; job < 1_000; job += 1) answers.ask(`job-${job}`, "loud");
    expect(answers.isAsked("job-799")).toBe(false);
    expect(answers.isAsked("job-800")).toBe(true);
    answers.record("job-1", { status: 200, headers: {}, body: "", atMs: 0, bodyBytes: 0 });
    expect(answers.ask("job-1", "loud")).toBeNull();
  });

  test("a project that looks at very many jobs pushes out none of another's raw answers", () => {
    const clock = new FakeClock();
    const answers = new RawAnswers(clock);
    const raw = { status: 200, headers: {}, body: "", atMs: 0, bodyBytes: 0 };
    answers.ask("quiet", "quiet");
    answers.record("quiet", raw);
    for (let job = 0; job < 1_000; job += 1) answers.ask(`job-${job}`, "loud");
    expect(answers.isAsked("quiet")).toBe(true);
    expect(answers.ask("quiet", "quiet")).toEqual(raw);
    expect(answers.isAsked("job-800")).toBe(false);
    expect(answers.isAsked("job-801")).toBe(true);
  });

  test("a job that is not watched here takes no place, and one that has ended keeps its last answer", () => {
    const answers = new RawAnswers(new FakeClock());
    expect(answers.ask("elsewhere", null)).toBeNull();
    expect(answers.isAsked("elsewhere")).toBe(false);
    const raw = { status: 200, headers: {}, body: "", atMs: 0, bodyBytes: 0 };
    answers.ask("ended", "one");
    answers.record("ended", raw);
    expect(answers.ask("ended", null)).toEqual(raw);
  });
});
