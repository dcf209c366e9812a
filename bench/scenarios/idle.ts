import { setTimeout as wait } from "node:timers/promises";
import { countStatements, restartCountingStatements } from "../database-counters.ts";
import { atMost, figure, type Figure } from "../figure.ts";
import { BenchGateway } from "../gateway.ts";
import { measureGateway } from "../measure.ts";
import { rssBytesOf } from "../process-facts.ts";
import type { Scenario } from "../scenario.ts";
import { until } from "../until.ts";
import type { UpstreamCommands } from "../upstream.ts";
import { WorkerProcess } from "../worker-process.ts";

const JOBS = { full: 100_000, quick: 20_000 };
const POLL_INTERVAL_S = 3600;
/**
 * Long enough for the work after a start: jobs are loaded, code is compiled, garbage is collected, and
 * Postgres has vacuumed the jobs' dead rows.
 */
const SETTLE_MS = { full: 60_000, quick: 20_000 };
const WINDOW_MS = { full: 30_000, quick: 10_000 };
const CPU_MS_PER_SECOND_MAX = 3;
const RSS_MIB_MAX = 150;
const MIB = 1024 * 1024;

/** A gateway with nothing to do, and one whose jobs are all polled later: what it costs to be there. */
export const idle: Scenario = {
  name: "idle",
  title: "a gateway with nothing to do, without jobs and with many that are polled once an hour",
  async run({ mode, step }) {
    await using upstream: WorkerProcess<UpstreamCommands> =
      await WorkerProcess.start("upstream.ts");
    await using gateway = await BenchGateway.start();
    await restartCountingStatements(gateway);
    step("without jobs");
    const rssBytes = async (): Promise<number> => {
      await wait(SETTLE_MS[mode]);
      return rssBytesOf(gateway.pid) ?? Number.NaN;
    };
    const rss = figure("rss", (await rssBytes()) / MIB, "MiB", atMost(RSS_MIB_MAX));
    const without = await figuresOf(gateway, "", WINDOW_MS[mode]);
    const origin = await upstream.ask("listen", undefined);
    const connection = await gateway.connect("idle", origin, { poll_interval_s: POLL_INTERVAL_S });
    const wishes = Array.from({ length: JOBS[mode] }, (_, job) => ({
      job_id: `bench-${job}`,
      callback_url: "http://127.0.0.1:9/hooks",
    }));
    step(`${wishes.length} jobs are accepted and polled once`);
    await gateway.subscribe(connection, wishes);
    await until("all are polled once", async () => {
      return (await upstream.ask("requests", undefined)) >= wishes.length;
    });
    // Nothing that was accepted before the start is compared with memory more often than need be.
    await gateway.stop();
    await gateway.start();
    // Nothing asks for metrics, which would have to be measured then.
    await wait(SETTLE_MS[mode]);
    const pollsBefore = await upstream.ask("requests", undefined);
    const withJobs = await figuresOf(gateway, "with_jobs_", WINDOW_MS[mode]);
    const polls = (await upstream.ask("requests", undefined)) - pollsBefore;
    const seconds = WINDOW_MS[mode] / 1000;
    return [rss, ...without, ...withJobs, figure("with_jobs_polls", polls / seconds, "polls/s")];
  },
};

async function figuresOf(
  gateway: BenchGateway,
  prefix: string,
  windowMs: number,
): Promise<Figure[]> {
  const sql = await gateway.openDatabase();
  const before = await countStatements(sql);
  const sample = await measureGateway(gateway, async () => {
    await wait(windowMs);
    return 1;
  });
  const statements = (await countStatements(sql)) - before;
  await sql.end();
  const { elapsedMs, cpuMs, databaseCpuMs } = sample;
  const seconds = elapsedMs / 1000;
  const gatewayMs = (cpuMs ?? Number.NaN) / seconds;
  const databaseMs = (databaseCpuMs ?? Number.NaN) / seconds;
  return [
    figure(`${prefix}gateway_cpu`, gatewayMs, "ms/s"),
    figure(`${prefix}database_cpu`, databaseMs, "ms/s"),
    figure(`${prefix}cpu`, gatewayMs + databaseMs, "ms/s", atMost(CPU_MS_PER_SECOND_MAX)),
    figure(`${prefix}statements`, statements / seconds, "statements/s"),
  ];
}
