import { setTimeout as wait } from "node:timers/promises";
import { compare } from "../comparison.ts";
import { BenchGateway, POLL_CONCURRENCY } from "../gateway.ts";
import { measureGateway, type Sample } from "../measure.ts";
import type { RawPollCommands } from "../raw-poll.ts";
import { pollsWithin, watchRunningJobs, type Upstream } from "../saturation.ts";
import type { Scenario } from "../scenario.ts";
import { cheapestConcurrency } from "../tune.ts";
import { WorkerProcess } from "../worker-process.ts";

const JOBS = 10_000;
const RATIO_MIN = 0.9;
const CPU_RATIO_MAX = 1.2;

/** Polls jobs that never end, as fast as it goes. The upstream counts the polls. */
export const poll: Scenario = {
  name: "poll",
  title: `polling ${JOBS} running jobs at saturation, beside undici's request in a loop`,
  async run({ runs, warmUpMs, windowMs, step }) {
    await using upstream: Upstream = await WorkerProcess.start("upstream.ts");
    await using rawLoop: WorkerProcess<RawPollCommands> = await WorkerProcess.start("raw-poll.ts");
    await using gateway = await BenchGateway.start();
    const origin = await upstream.ask("listen", undefined);
    const pollRaw = (concurrency: number, durationMs: number): Promise<Sample> =>
      rawLoop.ask("run", { origin, jobs: JOBS, concurrency, durationMs });
    step("finding the best concurrency for the raw loop");
    await pollRaw(POLL_CONCURRENCY, warmUpMs);
    const concurrency = await cheapestConcurrency((n) => pollRaw(n, warmUpMs));
    step(`it is ${concurrency}; the gateway loads its jobs`);
    const connection = await watchRunningJobs(gateway, upstream, { origin, jobs: JOBS });
    const samples = { raw: [] as Sample[], gateway: [] as Sample[] };
    // In turns, so that a noisy moment of the machine hits both.
    for (let run = 1; run <= runs; run += 1) {
      step(`run ${run} of ${runs}`);
      await connection.setState("paused");
      await pollRaw(concurrency, warmUpMs);
      samples.raw.push(await pollRaw(concurrency, windowMs));
      await connection.setState("active");
      await wait(warmUpMs);
      samples.gateway.push(await measureGateway(gateway, () => pollsWithin(windowMs, upstream)));
    }
    return compare({
      operations: "polls",
      ...samples,
      ratioMin: RATIO_MIN,
      cpuRatioMax: CPU_RATIO_MAX,
    });
  },
};
