import { describe, expect, test } from "vitest";
import { REQUESTS_PER_SECOND_MIN, type PollCeilings } from "../../src/core/limits/poll-ceilings.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { CONNECTION_ID } from "../support/rows.ts";
import { answeredJson, NO_CEILINGS } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

const GREEDY = exampleProvider({
  schedule: { kind: "fixed", interval_s: 0.01 },
  limits: { concurrency: 1000, requests_per_second: 1000, burst: 1000 },
  request_timeout_s: 600,
  answer_bytes_max: 256 * 2 ** 20,
  running_answer_bytes_max: 256 * 2 ** 20,
});

function startGreedy(ceilings: Partial<PollCeilings>) {
  const scene = startPoller({}, GREEDY, { ...NO_CEILINGS, ...ceilings });
  scene.upstream.answer = () => answeredJson({ status: "running" });
  return scene;
}

describe("the operator's limits apply over a definition's", () => {
  test("the operator's minimum interval between two polls applies over a definition's", async () => {
    const { clock, requests, configure, add } = startGreedy({ intervalMsMin: 500 });
    configure({ settings: {} });
    add();
    await clock.advanceSettling(10_000);
    expect(requests.length).toBeLessThanOrEqual(21);
    const ofConnection = requests.length;
    configure({ settings: { poll_interval_s: 0.01 } });
    await clock.advanceSettling(10_000);
    expect(requests.length - ofConnection).toBeLessThanOrEqual(21);
    expect(requests.length).toBeGreaterThan(30);
  });

  test("the operator's rate and concurrency of polls apply over a definition's", () => {
    const { poller } = startGreedy({ concurrencyMax: 8, requestsPerSecondMax: 2 });
    const load = poller.watches.upstreams.loadOf(CONNECTION_ID);
    expect(load?.requestsPerSecond).toBe(2);
    expect(poller.watches.upstream(CONNECTION_ID).lane.concurrency).toBe(8);
  });

  test("a connection's stored rate, slower than can be set today, becomes the slowest that can", () => {
    const { poller, configure } = startGreedy({});
    configure({ settings: { limits: { requests_per_second: 0.0001 } } });
    expect(poller.watches.upstreams.loadOf(CONNECTION_ID)?.requestsPerSecond).toBe(
      REQUESTS_PER_SECOND_MIN,
    );
  });

  test("the operator's limits on the time and size of an answer apply over a definition's", async () => {
    const { clock, requests, add } = startGreedy({ timeoutMsMax: 60_000, answerBytesMax: 1024 });
    add();
    await clock.advanceSettling(0);
    expect(requests[0]?.request).toMatchObject({ timeoutMs: 60_000, responseBytesMax: 1024 });
  });

  test("an answer never asks for more memory than its project has", async () => {
    const { clock, requests, add } = startGreedy({});
    add();
    await clock.advanceSettling(0);
    // On 1 GiB there are 128 MiB for large answers.
    expect(requests[0]?.request.responseBytesMax).toBe(64 * 2 ** 20);
  });
});
