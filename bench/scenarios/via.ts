import type { BareProxyCommands } from "../bare-proxy.ts";
import { compare } from "../comparison.ts";
import { atLeast, atMost, figure, type Figure } from "../figure.ts";
import { BenchGateway, POLL_CONCURRENCY } from "../gateway.ts";
import { measure, measureGateway, median, type Sample, summarize } from "../measure.ts";
import { watchMemory } from "../memory-watch.ts";
import { pollsWithin, watchRunningJobs } from "../saturation.ts";
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
  async run(settings) {
    await using client: Client = await WorkerProcess.start("via-load.ts");
    await using gateway = await BenchGateway.start();
    return [
      ...(await smallRequests(gateway, client, settings)),
      ...(await transfers(gateway, client, settings)),
      ...(await besidePolls(gateway, client, settings)),
    ];
  },
};

async function smallRequests(
  gateway: BenchGateway,
  client: Client,
  { runs, warmUpMs, windowMs, step }: BenchSettings,
): Promise<readonly Figure[]> {
  await using upstream: WorkerProcess<UpstreamCommands> = await WorkerProcess.start("upstream.ts");
  await using proxy: WorkerProcess<BareProxyCommands> = await WorkerProcess.start("bare-proxy.ts");
  const origin = await upstream.ask("listen", undefined);
  const paths = await openPaths("small", origin, gateway, client, proxy);
  const send = (url: string, durationMs: number): Promise<number> =>
    client.ask("run", {
      url,
      apiKey: gateway.apiKey,
      connections: CLIENT_CONNECTIONS,
      durationMs,
    });
  const samples = { raw: [] as Sample[], gateway: [] as Sample[] };
  for (let run = 1; run <= runs; run += 1) {
    step(`small requests, run ${run} of ${runs}`);
    await send(paths.proxy.url, warmUpMs);
    samples.raw.push(await measure(proxy.pid, () => send(paths.proxy.url, windowMs)));
    await send(paths.url, warmUpMs);
    samples.gateway.push(await measureGateway(gateway, () => send(paths.url, windowMs)));
  }
  return compare({
    operations: "requests",
    ...samples,
    ratioMin: RATIO_MIN,
    cpuRatioMax: CPU_RATIO_MAX,
  });
}

async function transfers(
  gateway: BenchGateway,
  client: Client,
  { runs, mode, step }: BenchSettings,
): Promise<readonly Figure[]> {
  await using upstream: WorkerProcess<TransferUpstreamCommands> =
    await WorkerProcess.start("transfer-upstream.ts");
  await using proxy: WorkerProcess<BareProxyCommands> = await WorkerProcess.start("bare-proxy.ts");
  const origin = await upstream.ask("listen", undefined);
  const paths = await openPaths("transfer", origin, gateway, client, proxy);
  const figures: Figure[] = [];
  for (const way of ["upload", "download"] as const) {
    step(`an ${way} of ${TRANSFER_MEBIBYTES[mode]} MiB, ${runs} times`);
    figures.push(...(await transfer(way, paths, TRANSFER_MEBIBYTES[mode], runs)));
  }
  return figures;
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
  await send(url, WARM_UP_MEBIBYTES);
  for (let run = 1; run <= runs; run += 1) {
    samples.raw.push(await measure(proxy.pid, () => send(proxy.url, mebibytes)));
    const memory = watchMemory(gateway.pid);
    samples.gateway.push(await measureGateway(gateway, () => send(url, mebibytes)));
    growthMib.push(memory.stop() / MIB);
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

/** The polls of a connection whose clients send as many requests as it lets them. */
async function besidePolls(
  gateway: BenchGateway,
  client: Client,
  { runs, warmUpMs, windowMs, step }: BenchSettings,
): Promise<readonly Figure[]> {
  await using upstream: WorkerProcess<UpstreamCommands> = await WorkerProcess.start("upstream.ts");
  const origin = await upstream.ask("listen", undefined);
  step(`polls alone and beside requests, ${runs} times`);
  const { id } = await watchRunningJobs(gateway, upstream, { origin, jobs: JOBS });
  const alone: number[] = [];
  const beside: number[] = [];
  for (let run = 1; run <= runs; run += 1) {
    await pollsWithin(warmUpMs, upstream);
    alone.push(await pollsWithin(windowMs, upstream));
    const load = client.ask("run", {
      url: `${gateway.url}/via/${id}`,
      apiKey: gateway.apiKey,
      connections: POLL_CONCURRENCY,
      durationMs: warmUpMs + windowMs,
    });
    await pollsWithin(warmUpMs, upstream);
    const polls = await gateway.metric("ringback_polls_total");
    await pollsWithin(windowMs, upstream);
    beside.push((await gateway.metric("ringback_polls_total")) - polls);
    await load;
  }
  const seconds = windowMs / 1000;
  const fairHalf = median(alone) * FAIR_HALF;
  return [
    figure("polls_alone", median(alone) / seconds, "polls/s"),
    figure("polls_beside", median(beside) / seconds, "polls/s"),
    figure("polls_to_fair_half", median(beside) / fairHalf, "ratio", atLeast(FAIR_HALF_RATIO_MIN)),
  ];
}

async function openPaths(
  name: string,
  origin: string,
  gateway: BenchGateway,
  client: Client,
  proxy: WorkerProcess<BareProxyCommands>,
): Promise<Paths> {
  const { id } = await gateway.connect(name, origin);
  const url = await proxy.ask("listen", { origin, connections: POLL_CONCURRENCY });
  return { gateway, client, proxy: { pid: proxy.pid, url }, url: `${gateway.url}/via/${id}` };
}
