import { describe, expect, test } from "vitest";
import { builtInProviders } from "../support/providers.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { answeredJson } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

const HOST = "https://search.example.com";
const RESERVED = { searchId: "s1", status: "Reserved", phoneNumbers: ["+100"] };

const ACCEPTED = { ...answeredJson("", 202), body: Buffer.alloc(0) };

function startAzure() {
  const provider = builtInProviders().get("azure-operation");
  if (provider === undefined) throw new Error("no azure-operation");
  const harness = startPoller({ baseUrl: HOST, settings: { poll_interval_s: 1 } }, provider);
  const job = harness.add({ params: JSON.stringify({ operation_url: `${HOST}/op` }) });
  return { ...harness, job };
}

describe("a Location of Azure", () => {
  test("an Azure Location that answers 202 and then the resource is done, whatever its status", async () => {
    const { clock, upstream, recorded } = startAzure();
    upstream.answer = (_, poll) => (poll < 3 ? ACCEPTED : answeredJson(RESERVED));
    await clock.advanceSettling(10_000);
    expect(recorded).toMatchObject([{ type: "job.completed", result: JSON.stringify(RESERVED) }]);
  });

  test("an Azure Location whose resource reports a failure has failed", async () => {
    const { clock, upstream, recorded } = startAzure();
    const failed = { ...RESERVED, status: "ReservationFailed" };
    upstream.answer = (_, poll) => (poll === 1 ? ACCEPTED : answeredJson(failed));
    await clock.advanceSettling(10_000);
    expect(recorded).toMatchObject([{ type: "job.failed" }]);
  });

  test("an Azure operation is not taken for a Location while every answer has a status", async () => {
    const { clock, poller, upstream, recorded, job } = startAzure();
    upstream.answer = (_, poll) =>
      answeredJson({ status: poll === 1 ? "Running" : "Reserved" }, poll === 1 ? 202 : 200);
    await clock.advanceSettling(10_000);
    expect(recorded).toEqual([]);
    expect(poller.watches.view(job.shardId, job.id)?.lastError).toContain("Reserved");
  });
});

test("a value that a rule remembers is known to the rules for later answers, past an outage", async () => {
  const harness = startPoller(
    { baseUrl: "https://api.example.com", settings: { poll_interval_s: 1 } },
    exampleProvider({
      rules: [
        { http_status: 202, observe: "running", remember: "accepted" },
        { http_status: 200, remembered: "accepted", observe: "completed" },
        { http_status: 200, observe: "running" },
      ],
    }),
  );
  const { clock, upstream, recorded, add } = harness;
  const answers = [200, 202, 503, 200];
  upstream.answer = (_, poll) => answeredJson({ output: poll }, answers[poll - 1] ?? 500);
  add();
  await clock.advanceSettling(2500);
  expect(recorded).toEqual([]);
  await clock.advanceSettling(10_000);
  expect(recorded).toMatchObject([{ type: "job.completed", result: "4" }]);
});
