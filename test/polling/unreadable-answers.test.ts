import { expect, test } from "vitest";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { answeredJson } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

const provider = exampleProvider({
  rules: [
    { http_status: [202, 204], observe: "running" },
    { http_status: 200, observe: "completed" },
  ],
  result: { kind: "inline" },
  schedule: { kind: "fixed", interval_s: 1 },
});

function answered(contentType: string, body: string): RequestOutcome {
  return {
    kind: "answered",
    status: 200,
    headers: { "content-type": contentType },
    body: Buffer.from(body, "latin1"),
    truncated: false,
    durationMs: 1,
  };
}

test("a job whose result is a document ends as failed, within minutes and with the reason", async () => {
  const { clock, poller, recorded, requests, upstream, add } = startPoller({}, provider);
  upstream.answer = (_, poll) =>
    poll === 1 ? answeredJson("", 202) : answered("application/pdf", "%PDF-1.7\n\xe2\xe3\xcf\xd3");
  const job = add();
  await clock.advanceSettling(60_000);
  expect(poller.watches.view(job.shardId, job.id)?.lastError).toMatch(
    /\(application\/pdf\): the body can't be read: .*\(\d in a row; after 8, /,
  );
  await clock.advanceSettling(9 * 60_000);
  expect(recorded).toMatchObject([
    {
      type: "job.failed",
      error: expect.stringMatching(
        /could not be read, \d+ in a row over [56] minutes.*application\/pdf/,
      ),
    },
  ]);
  expect(requests.length).toBeLessThan(20);
});

const DAMAGED: readonly (readonly [what: string, type: string, body: string, why: string])[] = [
  ["a web page", "text/html", "<h1>Down for maintenance", "it is not JSON"],
  ["JSON cut short", "application/json", '{"pages":', "it is not JSON"],
  ["JSON cut short of no known type", "application/octet-stream", '{"pages":', "it is not JSON"],
  ["JSON cut within a character", "application/json", '{"name":"\xc3', "it is not UTF-8"],
  ["JSON not in its charset", "application/json; charset=utf-16", "x", "it is not utf-16"],
  ["an XML page", "application/xml", "<Error><Code>SlowDown</Code></Error>", "it is not JSON"],
];

test.each(DAMAGED)(
  "a job whose answers are %s for most of an hour goes on",
  async (_, type, body, why) => {
    const { clock, poller, recorded, requests, upstream, add } = startPoller({}, provider);
    upstream.answer = () => answered(type, body);
    const job = add();
    await clock.advanceSettling(45 * 60_000);
    expect(recorded).toEqual([]);
    expect(poller.watches.view(job.shardId, job.id)?.lastError).toContain(why);
    expect(requests.length).toBeLessThan(100);
    upstream.answer = () => answeredJson({ pages: 3 });
    await clock.advanceSettling(2 * 60_000);
    expect(recorded).toMatchObject([{ type: "job.completed", result: '{"pages":3}' }]);
  },
);

test("a job with a number that JSON lacks completes, with null in its place", async () => {
  const { clock, recorded, upstream, add } = startPoller({}, provider);
  upstream.answer = () => answered("application/json", '{"score": NaN}');
  add();
  await clock.advanceSettling(1000);
  expect(recorded).toMatchObject([{ type: "job.completed" }]);
  expect(JSON.parse(String(recorded[0]?.result))).toEqual({ score: null });
});
