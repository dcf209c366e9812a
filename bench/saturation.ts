import { setTimeout as wait } from "node:timers/promises";
import type { BenchConnection, BenchGateway } from "./gateway.ts";
import { until } from "./until.ts";
import type { UpstreamCommands } from "./upstream.ts";
import type { WorkerProcess } from "./worker-process.ts";

export type Upstream = WorkerProcess<UpstreamCommands>;

/** Has a gateway watch jobs that never end, on a connection that polls them as fast as it goes. */
export async function watchRunningJobs(
  gateway: BenchGateway,
  upstream: Upstream,
  { origin, jobs }: { readonly origin: string; readonly jobs: number },
): Promise<BenchConnection> {
  const connection = await gateway.connect("poll", origin);
  const before = await requests(upstream);
  const wishes = Array.from({ length: jobs }, (_, job) => ({
    job_id: `bench-${job}`,
    callback_url: `${origin}/never-called`,
  }));
  await gateway.subscribe(connection, wishes);
  await until("all jobs are polled", async () => (await requests(upstream)) - before >= jobs);
  return connection;
}

/** How many polls the upstream counts from now on. */
export async function pollsWithin(windowMs: number, upstream: Upstream): Promise<number> {
  const before = await requests(upstream);
  await wait(windowMs);
  return (await requests(upstream)) - before;
}

function requests(upstream: Upstream): Promise<number> {
  return upstream.ask("requests", undefined);
}
