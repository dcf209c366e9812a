import { setTimeout as wait } from "node:timers/promises";
import { atLeast, atMost, figure } from "../figure.ts";
import { BenchGateway } from "../gateway.ts";
import { quantile } from "../measure.ts";
import type { ReceiverCommands } from "../receiver.ts";
import type { Scenario } from "../scenario.ts";
import type { UpstreamCommands } from "../upstream.ts";
import { WorkerProcess } from "../worker-process.ts";

const PER_SECOND = 500;
/** Less than this, and it is not the lag at that rate which was measured. */
const PER_SECOND_MIN = 0.95 * PER_SECOND;
const SETTLE_MS = 3000;
const MEASURE_MS = { full: 20_000, quick: 6000 };
const ORIGINS = 4;
/** As many polls a second as there are jobs, so that some job is polled whenever an ending is due. */
const POLL_INTERVAL_S = 1;
/** More than end: the last ones are not polled often enough to end at this rate. */
const SPARE_JOBS = 2000;
const SLICES = 20;
const P50_MS_MAX = 5;
const P99_MS_MAX = 50;

/**
 * Running jobs of which one ends every two milliseconds. The answer that says so carries the time
 * it was written at, through the gateway and the callback to the receiver, which compares.
 */
export const lag: Scenario = {
  name: "lag",
  title: `from an ending at the upstream to its callback at the receiver, at ${PER_SECOND} endings a second`,
  async run({ mode, step }) {
    const measureMs = MEASURE_MS[mode];
    const jobs = (PER_SECOND * (SETTLE_MS + measureMs)) / 1000 + SPARE_JOBS;
    await using upstream: WorkerProcess<UpstreamCommands> =
      await WorkerProcess.start("upstream.ts");
    await using receiver: WorkerProcess<ReceiverCommands> =
      await WorkerProcess.start("receiver.ts");
    await using gateway = await BenchGateway.start();
    const origin = await upstream.ask("listen", undefined);
    const connection = await gateway.connect("lag", origin, { poll_interval_s: POLL_INTERVAL_S });
    const origins = await receiver.ask("listen", { origins: ORIGINS });
    const wishes = Array.from({ length: jobs }, (_, job) => ({
      job_id: `bench-${job}`,
      callback_url: `${origins[job % ORIGINS]}/hooks`,
    }));
    step(`${jobs} jobs are accepted`);
    await inSlices(wishes, (slice) => gateway.subscribe(connection, slice));
    await upstream.ask("completeAtRate", { perSecond: PER_SECOND });
    // Code that runs for the first time is compiled before the measurement.
    await wait(SETTLE_MS);
    step("measuring");
    await receiver.ask("timeLags", undefined);
    await wait(measureMs);
    const lagsMs = await receiver.ask("lagsMs", undefined);
    const perSecond = (lagsMs.length * 1000) / measureMs;
    return [
      figure("endings", perSecond, "endings/s", atLeast(PER_SECOND_MIN)),
      figure("ending_to_callback_p50", quantile(lagsMs, 0.5), "ms", atMost(P50_MS_MAX)),
      figure("ending_to_callback_p99", quantile(lagsMs, 0.99), "ms", atMost(P99_MS_MAX)),
      figure("ending_to_callback_max", Math.max(...lagsMs), "ms"),
    ];
  },
};

/** Spread over a poll interval, so that their polls are. */
async function inSlices<Item>(
  items: readonly Item[],
  act: (slice: readonly Item[]) => Promise<void>,
): Promise<void> {
  const size = Math.ceil(items.length / SLICES);
  for (let slice = 0; slice < SLICES; slice += 1) {
    const next = wait((POLL_INTERVAL_S * 1000) / SLICES);
    await act(items.slice(slice * size, (slice + 1) * size));
    await next;
  }
}
