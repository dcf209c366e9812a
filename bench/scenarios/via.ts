import { setTimeout as wait } from "node:timers/promises";
import type { BareProxyCommands } from "../bare-proxy.ts";
import { compare } from "../comparison.ts";
import { atLeast, atMost, figure, type Figure } from "../figure.ts";
import { BenchGateway, POLL_CONCURRENCY } from "../gateway.ts";
import { measure, measureGateway, median, type Sample, summarize } from "../measure.ts";
import { watchMemory } from "../memory-watch.ts";
import { watchRunningJobs } from "../saturation.ts";
import type { BenchSettings, Scenario } from "../scenario.ts";
import type { TransferUpstreamCommands } from "../transfer-upstream.ts";
import type { UpstreamCommands } from "../upstream.ts";
import type { ViaLoadCommands } from "../via-load.ts";
import { WorkerProcess } from "../worker-process.ts";

/** Fewer than the half of the connection's concurrency that requests may take. */
const CLIENT_CONNECTIONS = 32;
const RATIO_MIN = 0.45;
const CPU_RATIO_MAX = 2.5;
const TRANSFER_MEBIBYTES = { full: 1024, quick: 128 };
const WARM_UP_MEBIBYTES = 32;
const TRANSFER_RATIO_MIN = 0.8;
const RSS_GROWTH_MIB_MAX = 64;
const MIB = 1024 * 1024;
const JOBS = 10_000;
const FAIR_HALF = 0.5;
const FAIR_HALF_RATIO_MIN = 0.9;

type Client = WorkerProcess<ViaLoadCommands>;

/** The gateway and the bare proxy in front of the same upstream. */
interface Paths {
  readonly gateway: BenchGateway;
  readonly client: Client;
  readonly proxy: { readonly pid: number; readonly url: string };
  /** The gateway's URL of a connection to that upstream. */
  readonly url: string;
}

/** Requests through `/via`, beside a bare reverse proxy and beside the polls of their connection. */
export const via: Scenario = {
  name: "via",
  title: "requests passed on to an upstream, beside a bare reverse proxy with undici",
  get parts() {
    return Object.keys(PARTS);
  },
  async run(settings) {
    await using client: Client = await WorkerProcess.start("via-load.ts");
    const figures: Figure[] = [];
    for (const [part, measureIt] of Object.entries(PARTS)) {
      if (settings.only !== null && settings.only !== part) continue;
      figures.push(...(await measureIt(client, settings)));
    }
    return figures;
  },
};

type Part = (client: Client, settings: BenchSettings) => Promise<readonly Figure[]>;

const PARTS: Readonly<Record<string, Part>> = {
  small: smallRequests,
  upload: (client, settings) => transfers("upload", client, settings),
  download: (client, settings) => transfers("download", client, settings),
  polls: besidePolls,
};

/** The proxy logs nothing, and the gateway only warnings; one that logs each request is beside them. */
async function smallRequests(
  client: Client,
  { runs, warmUpMs, windowMs, step }: BenchSettings,
): Promise<readonly Figure[]> {
  await using upstream: WorkerProcess<UpstreamCommands> = await WorkerProcess.start("upstream.ts");
  await using proxy: WorkerProcess<BareProxyCommands> = await WorkerProcess.start("bare-proxy.ts");
  await using gateway = await BenchGateway.start();
  await using logging = await BenchGateway.start({ LOG_LEVEL: "info" });
  const origin = await upstream.ask("listen", undefined);
  const paths = await openPaths(origin, gateway, client, proxy);
  const { url: loggingUrl } = await openPaths(origin, logging, client, proxy);
  const send = (url: string, apiKey: string, durationMs: number): Promise<number> =>
    client.ask("run", { url, apiKey, connections: CLIENT_CONNECTIONS, durationMs });
  const samples = { raw: [] as Sample[], gateway: [] as Sample[], logging: [] as Sample[] };
  const measures = [
    async () => {
      await send(paths.proxy.url, gateway.apiKey, warmUpMs);
      const act = () => send(paths.proxy.url, gateway.apiKey, windowMs);
      samples.raw.push(await measure(proxy.pid, act));
    },
    async () => {
      await send(paths.url, gateway.apiKey, warmUpMs);
      const act = () => send(paths.url, gateway.apiKey, windowMs);
      samples.gateway.push(await measureGateway(gateway, act));
    },
    async () => {
      await send(loggingUrl, logging.apiKey, warmUpMs);
      const act = () => send(loggingUrl, logging.apiKey, windowMs);
      samples.logging.push(await measure(logging.pid, act));
    },
  ];
  for (let run = 1; run <= runs; run += 1) {
    step(`small requests, run ${run} of ${runs}`);
    for (const one of inTurn(measures, run)) await one();
  }
  const compared = compare({
    operations: "requests",
    raw: samples.raw,
    gateway: samples.gateway,
    ratioMin: RATIO_MIN,
    cpuRatioMax: CPU_RATIO_MAX,
  });
  const [logged, raw] = [summarize(samples.logging), summarize(samples.raw)];
  return [
    ...compared,
    figure("logged_ratio_to_raw", logged.perSecond / raw.perSecond, "ratio"),
    figure("logged_cpu_each", logged.cpuUsEach ?? Number.NaN, "µs"),
  ];
}

/** A gateway of its own, so that its memory has grown by nothing else. */
async function transfers(
  way: "upload" | "download",
  client: Client,
  { runs, mode, step }: BenchSettings,
): Promise<readonly Figure[]> {
  await using upstream: WorkerProcess<TransferUpstreamCommands> =
    await WorkerProcess.start("transfer-upstream.ts");
  await using proxy: WorkerProcess<BareProxyCommands> = await WorkerProcess.start("bare-proxy.ts");
  await using gateway = await BenchGateway.start();
  const origin = await upstream.ask("listen", undefined);
  const paths = await openPaths(origin, gateway, client, proxy);
  step(`an ${way} of ${TRANSFER_MEBIBYTES[mode]} MiB, ${runs} times`);
  return await transfer(way, paths, TRANSFER_MEBIBYTES[mode], runs);
}

async function transfer(
  way: "upload" | "download",
  { gateway, client, proxy, url }: Paths,
  mebibytes: number,
  runs: number,
): Promise<readonly Figure[]> {
  const { apiKey } = gateway;
  const send = (to: string, size: number): Promise<number> =>
    client.ask(way, { url: to, apiKey, mebibytes: size });
  const samples = { raw: [] as Sample[], gateway: [] as Sample[] };
  const growthMib: number[] = [];
  const measures = [
    async () => {
      samples.raw.push(await measure(proxy.pid, () => send(proxy.url, mebibytes)));
    },
    async () => {
      const memory = watchMemory(gateway.pid);
      samples.gateway.push(await measureGateway(gateway, () => send(url, mebibytes)));
      growthMib.push(memory.stop() / MIB);
    },
  ];
  await send(url, WARM_UP_MEBIBYTES);
  await send(proxy.url, WARM_UP_MEBIBYTES);
  for (let run = 1; run <= runs; run += 1) {
    for (const one of inTurn(measures, run)) await one();
  }
  const ours = summarize(samples.gateway);
  const theirs = summarize(samples.raw);
  const ratio = ours.perSecond / theirs.perSecond;
  return [
    figure(way, ours.perSecond, "MiB/s"),
    figure(`raw_${way}`, theirs.perSecond, "MiB/s"),
    figure(`${way}_ratio_to_raw`, ratio, "ratio", atLeast(TRANSFER_RATIO_MIN)),
    figure(`${way}_cpu_per_mib`, (ours.cpuUsEach ?? Number.NaN) / 1000, "ms"),
    figure(`raw_${way}_cpu_per_mib`, (theirs.cpuUsEach ?? Number.NaN) / 1000, "ms"),
    figure(`${way}_rss_growth`, Math.max(...growthMib), "MiB", atMost(RSS_GROWTH_MIB_MAX)),
  ];
}

/** The measured programs begin in turns, since a machine is seldom as fast at the end as at the start. */
function inTurn<T>(measures: readonly T[], run: number): readonly T[] {
  const first = (run - 1) % measures.length;
  return [...measures.slice(first), ...measures.slice(0, first)];
}

/** The polls of a connection whose clients send as many requests as it lets them. */
async function besidePolls(
  client: Client,
  { runs, warmUpMs, windowMs, step }: BenchSettings,
): Promise<readonly Figure[]> {
  await using upstream: WorkerProcess<UpstreamCommands> = await WorkerProcess.start("upstream.ts");
  await using gateway = await BenchGateway.start();
  const origin = await upstream.ask("listen", undefined);
  step(`polls alone and beside requests, ${runs} times`);
  const { id } = await watchRunningJobs(gateway, upstream, { origin, jobs: JOBS });
  const alone: number[] = [];
  const beside: number[] = [];
  for (let run = 1; run <= runs; run += 1) {
    await wait(warmUpMs);
    alone.push(await pollsPerSecond(gateway, windowMs));
    // Longer than what is measured beside it, scrapes included.
    const load = client.ask("run", {
      url: `${gateway.url}/via/${id}`,
      apiKey: gateway.apiKey,
      connections: POLL_CONCURRENCY,
      durationMs: warmUpMs + 3 * windowMs,
    });
    await wait(warmUpMs);
    const startedAt = performance.now();
    beside.push(await pollsPerSecond(gateway, windowMs));
    const tookMs = performance.now() - startedAt;
    if (tookMs > 3 * windowMs) throw new Error(`Counting polls took ${tookMs} ms.`);
    await load;
  }
  const fairHalf = median(alone) * FAIR_HALF;
  return [
    figure("polls_alone", median(alone), "polls/s"),
    figure("polls_beside", median(beside), "polls/s"),
    figure("polls_to_fair_half", median(beside) / fairHalf, "ratio", atLeast(FAIR_HALF_RATIO_MIN)),
  ];
}

/** The rate between two scrapes, however long they take: about as long after each the time is read. */
async function pollsPerSecond(gateway: BenchGateway, windowMs: number): Promise<number> {
  const before = await gateway.metric("ringback_polls_total");
  const startedAt = performance.now();
  await wait(windowMs);
  const after = await gateway.metric("ringback_polls_total");
  return ((after - before) * 1000) / (performance.now() - startedAt);
}

async function openPaths(
  origin: string,
  gateway: BenchGateway,
  client: Client,
  proxy: WorkerProcess<BareProxyCommands>,
): Promise<Paths> {
  const { id } = await gateway.connect("via", origin);
  const url = await proxy.ask("listen", { origin, connections: POLL_CONCURRENCY });
  return { gateway, client, proxy: { pid: proxy.pid, url }, url: `${gateway.url}/via/${id}` };
}
