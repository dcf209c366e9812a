import { expect, test } from "vitest";
import type { RequestOutcome } from "../../../src/outbound/exchange/request-outcome.ts";
import { JobStatuses } from "../../../src/polling/watch/job-statuses.ts";
import { exampleProvider, exampleSource } from "../../providers/example-provider.ts";
import { answeredJson } from "../jobs.ts";
import { startPoller } from "../poller-harness.ts";

const TAG = '"1"';

test("who asks while a poll is in progress that ends unchanged hears the whole answer of the next one", async () => {
  const provider = exampleProvider({ status: { ...exampleSource.status, etag: true } });
  const { clock, poller, upstream, requests, add } = startPoller(
    { baseUrl: "https://api.example.com" },
    provider,
  );
  const running = answeredJson({ status: "running" }, 200, { etag: TAG });
  const unchanged = Promise.withResolvers<RequestOutcome>();
  upstream.answer = (_, poll) => (poll === 2 ? unchanged.promise : running);
  const job = add();
  await clock.advanceSettling(5_000);
  expect(requests.map(({ request }) => request.headers["if-none-match"])).toEqual([undefined, TAG]);
  const statuses = new JobStatuses(clock, poller.watches, poller.observed);
  expect(statuses.latest(job)).toBe("awaited");
  const first = statuses.first(job, new AbortController().signal);
  unchanged.resolve(answeredJson("", 304, { etag: TAG }));
  await clock.advanceSettling(1_000);
  const answer = await first;
  expect(answer?.status).toBe(200);
  expect(answer?.body.toString()).toBe('{"status":"running"}');
  expect(requests[2]?.request.headers["if-none-match"]).toBeUndefined();
});
