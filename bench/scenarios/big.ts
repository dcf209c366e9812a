import { atMost, figure, type Figure } from "../figure.ts";
import { BenchGateway } from "../gateway.ts";
import { databaseCpuUsEach, measureGateway, summarize } from "../measure.ts";
import { watchMemory } from "../memory-watch.ts";
import type { ReceiverCommands } from "../receiver.ts";
import type { Scenario } from "../scenario.ts";
import { until } from "../until.ts";
import type { UpstreamCommands } from "../upstream.ts";
import { WorkerProcess } from "../worker-process.ts";

const MEBIBYTE = 1024 * 1024;
const SIZES_MEBIBYTES = [1, 16];
/** Total size of the results in a run. */
const TOTAL_MEBIBYTES = { full: 1024, quick: 64 };
/** In answers of the upstream that are being read or stored: as many polls are made at once. */
const IN_FLIGHT_MEBIBYTES = 64;
const READS_AT_ONCE = 1;
const GROWTH_RATIO_MAX = 4;
const WARM_UP_JOBS = 500;

/**
 * Results too large to be sent inline: the upstream answers with them, the gateway stores them, the
 * receiver hears of them and reads them from the gateway.
 */
export const big: Scenario = {
  name: "big",
  title: "results of 1 MiB and 16 MiB from the upstream through the gateway to their readers",
  async run({ mode, step }) {
    const figures: Figure[] = [];
    for (const mebibytes of SIZES_MEBIBYTES) {
      step(`${TOTAL_MEBIBYTES[mode]} MiB in results of ${mebibytes} MiB`);
      const jobs = TOTAL_MEBIBYTES[mode] / mebibytes;
      figures.push(...(await passThrough(jobs, mebibytes)));
    }
    return figures;
  },
};

async function passThrough(jobs: number, mebibytes: number): Promise<Figure[]> {
  await using upstream: WorkerProcess<UpstreamCommands> = await WorkerProcess.start("upstream.ts");
  await using receiver: WorkerProcess<ReceiverCommands> = await WorkerProcess.start("receiver.ts");
  // A gateway of its own for each size: memory once used is not soon given back.
  await using gateway = await BenchGateway.start();
  const { pid, apiKey } = gateway;
  const connection = await gateway.connect("big", await upstream.ask("listen", undefined), {
    limits: { concurrency: IN_FLIGHT_MEBIBYTES / mebibytes },
  });
  const [origin = ""] = await receiver.ask("listen", { origins: 1 });
  const wishes = (name: string, count: number) =>
    Array.from({ length: count }, (_, job) => ({
      job_id: `${name}-${job}`,
      callback_url: `${origin}/hooks`,
    }));
  await upstream.ask("complete", { result: "small" });
  await gateway.subscribe(connection, wishes("warm-up", WARM_UP_JOBS));
  await until("the small ones are taken", async () => {
    return (await receiver.ask("answered", undefined)) === WARM_UP_JOBS;
  });
  await receiver.ask("readResults", { apiKey, concurrency: READS_AT_ONCE });
  await upstream.ask("completeWithText", { bytes: mebibytes * MEBIBYTE });
  const memory = watchMemory(pid);
  const sample = await measureGateway(gateway, async () => {
    await gateway.subscribe(connection, wishes("big", jobs));
    await until("all results are read", async () => {
      const { results, problem } = await receiver.ask("resultsRead", undefined);
      if (problem !== null) throw new Error(problem);
      return results === jobs;
    });
    return jobs * mebibytes;
  });
  const growthMebibytes = memory.stop() / MEBIBYTE;
  const { bytes } = await receiver.ask("resultsRead", undefined);
  if (bytes < jobs * mebibytes * MEBIBYTE) throw new Error("Results were cut off.");
  const { perSecond, cpuUsEach } = summarize([sample]);
  const at = `at_${mebibytes}_mib`;
  return [
    figure(`throughput_${at}`, (perSecond * MEBIBYTE) / 1e6, "MB/s"),
    figure(`cpu_per_mib_${at}`, (cpuUsEach ?? Number.NaN) / 1000, "ms"),
    figure(`database_cpu_per_mib_${at}`, databaseCpuUsEach([sample]) / 1000, "ms"),
    figure(`rss_growth_${at}`, growthMebibytes, "MiB"),
    figure(
      `rss_growth_to_bytes_in_flight_${at}`,
      growthMebibytes / IN_FLIGHT_MEBIBYTES,
      "ratio",
      atMost(GROWTH_RATIO_MAX),
    ),
  ];
}
