import { setTimeout as wait } from "node:timers/promises";
import { atMost, figure, type Figure } from "../figure.ts";
import { BenchGateway, type BenchConnection } from "../gateway.ts";
import type { LoadCommands } from "../load.ts";
import { measureGateway, median, quantile, summarize, type Sample } from "../measure.ts";
import { rssBytesOf } from "../process-facts.ts";
import type { Scenario } from "../scenario.ts";
import { storeJobs } from "../stored-jobs.ts";
import { until } from "../until.ts";
import type { UpstreamCommands } from "../upstream.ts";
import { WorkerProcess } from "../worker-process.ts";

const SIZES = { full: [10_000, 100_000, 1_000_000], quick: [10_000, 100_000] };
const LOADS = { full: 3, quick: 1 };
const TARGET_SIZE = 1_000_000;
/** The same at every size, so that only the number of jobs differs. */
const POLLS_PER_SECOND = 10_000;
const API_REQUESTS_PER_SECOND = 100;
const API_CONNECTIONS = 8;
const MEBIBYTE = 1024 * 1024;
const RSS_MEBIBYTES_MAX = 500;
const LOADING_S_MAX = 10;
const API_P99_MS_MAX = 100;
const CPU_RATIO_MAX = 1.15;

type Upstream = WorkerProcess<UpstreamCommands>;
type LoadWorker = WorkerProcess<LoadCommands>;

interface Measured {
  readonly jobs: number;
  readonly loadingS: number;
  readonly apiP99Ms: number;
  readonly rssMebibytes: number;
  readonly cpuUsEach: number;
}

/** More and more jobs, loaded after a restart while subscriptions come in, then polled. */
export const scale: Scenario = {
  name: "scale",
  title: "loading and polling 10 000 to 1 000 000 running jobs",
  async run({ mode, runs, warmUpMs, windowMs, step }) {
    await using upstream: Upstream = await WorkerProcess.start("upstream.ts");
    await using load: LoadWorker = await WorkerProcess.start("load.ts");
    await using gateway = await BenchGateway.start();
    const origin = await upstream.ask("listen", undefined);
    const connection = await gateway.connect("scale", origin);
    const measured: Measured[] = [];
    let stored = 0;
    for (const jobs of SIZES[mode]) {
      step(`${jobs} jobs are stored`);
      await store(gateway, connection, { from: stored, to: jobs });
      stored = jobs;
      const loadings: Loading[] = [];
      for (let run = 1; run <= LOADS[mode]; run += 1) {
        step(`loading ${jobs} jobs, run ${run} of ${LOADS[mode]}`);
        loadings.push(await restart(gateway, load, jobs));
      }
      const samples: Sample[] = [];
      for (let run = 1; run <= runs; run += 1) {
        step(`polling ${jobs} jobs, run ${run} of ${runs}`);
        await wait(warmUpMs);
        samples.push(await measureGateway(gateway, () => pollsWithin(windowMs, upstream)));
      }
      measured.push({
        jobs,
        loadingS: median(loadings.map(({ elapsedMs }) => elapsedMs / 1000)),
        apiP99Ms: median(loadings.map(({ apiP99Ms }) => apiP99Ms)),
        rssMebibytes: (rssBytesOf(gateway.pid) ?? Number.NaN) / MEBIBYTE,
        cpuUsEach: summarize(samples).cpuUsEach ?? Number.NaN,
      });
    }
    return figuresOf(measured);
  },
};

async function store(
  gateway: BenchGateway,
  connection: BenchConnection,
  numbers: { readonly from: number; readonly to: number },
): Promise<void> {
  const settings = { poll_interval_s: numbers.to / POLLS_PER_SECOND };
  await gateway.call("PATCH", `/v1/connections/${connection.id}`, { settings });
  const sql = await gateway.openDatabase();
  await storeJobs(sql, connection, numbers);
  await sql.end();
}

interface Loading {
  readonly elapsedMs: number;
  readonly apiP99Ms: number;
}

/** Restarts the gateway, and subscribes from the moment it is ready until it watches all jobs. */
async function restart(gateway: BenchGateway, load: LoadWorker, jobs: number): Promise<Loading> {
  await gateway.stop();
  const startedAt = performance.now();
  await gateway.start();
  let isLoaded = false;
  const latenciesMs: number[] = [];
  const subscribing = (async (): Promise<void> => {
    while (!isLoaded) latenciesMs.push(...(await subscribeFor(1000, gateway, load)));
  })();
  await until("all jobs are watched", async () => (await gateway.metric(WATCHED)) >= jobs);
  const elapsedMs = performance.now() - startedAt;
  isLoaded = true;
  await subscribing;
  return { elapsedMs, apiP99Ms: quantile(latenciesMs, 0.99) };
}

const WATCHED = "ringback_watched_jobs";

/** All to one job, so that the number of jobs stays what it is. */
async function subscribeFor(
  durationMs: number,
  { url, apiKey }: BenchGateway,
  load: LoadWorker,
): Promise<readonly number[]> {
  const { latenciesMs } = await load.ask("run", {
    url,
    apiKey,
    connections: API_CONNECTIONS,
    durationMs,
    subscription: JSON.stringify({
      job_id: "bench-api",
      callback_url: "http://127.0.0.1:9/never-called",
      connection: "scale",
    }),
    firstNumber: 0,
    batch: null,
    perSecond: API_REQUESTS_PER_SECOND,
  });
  return latenciesMs;
}

async function pollsWithin(windowMs: number, upstream: Upstream): Promise<number> {
  const before = await upstream.ask("requests", undefined);
  await wait(windowMs);
  return (await upstream.ask("requests", undefined)) - before;
}

function figuresOf(measured: readonly Measured[]): Figure[] {
  const smallest = measured[0]?.cpuUsEach ?? Number.NaN;
  const largest = measured.at(-1)?.cpuUsEach ?? Number.NaN;
  const each = measured.flatMap(({ jobs, loadingS, apiP99Ms, rssMebibytes, cpuUsEach }) => {
    const bound = (max: number) => (jobs === TARGET_SIZE ? atMost(max) : undefined);
    return [
      figure(`rss_at_${jobs}`, rssMebibytes, "MiB", bound(RSS_MEBIBYTES_MAX)),
      figure(`loading_of_${jobs}`, loadingS, "s", bound(LOADING_S_MAX)),
      figure(`api_p99_during_loading_of_${jobs}`, apiP99Ms, "ms", atMost(API_P99_MS_MAX)),
      figure(`cpu_each_at_${jobs}`, cpuUsEach, "µs"),
    ];
  });
  return [
    ...each,
    figure("cpu_ratio_largest_to_smallest", largest / smallest, "ratio", atMost(CPU_RATIO_MAX)),
  ];
}
