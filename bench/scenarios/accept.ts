import type { AcceptBaselineCommands } from "../accept-baseline.ts";
import { AcceptLoad } from "../accept-load.ts";
import { compare } from "../comparison.ts";
import { atMost, figure } from "../figure.ts";
import {
  databaseCpuUsEach,
  measure,
  measureGateway,
  median,
  quantile,
  summarize,
  type DatabaseSample,
  type Sample,
} from "../measure.ts";
import type { Scenario } from "../scenario.ts";
import { WorkerProcess } from "../worker-process.ts";

const CONNECTIONS = 64;
const RATIO_MIN = 0.45;
const P99_MS_MAX = 50;

/** Single subscriptions as fast as the answers come, each committed before its 201. */
export const accept: Scenario = {
  name: "accept",
  title: `accepting single subscriptions over ${CONNECTIONS} connections, beside a route that only validates`,
  async run({ runs, warmUpMs, windowMs, step }) {
    await using baseline: WorkerProcess<AcceptBaselineCommands> =
      await WorkerProcess.start("accept-baseline.ts");
    await using load = await AcceptLoad.start();
    const { gateway } = load;
    const rawUrl = await baseline.ask("listen", { apiKey: gateway.apiKey });
    const post = async (url: string, durationMs: number): Promise<number> => {
      const options = { url, connections: CONNECTIONS, batch: null, durationMs };
      return (await load.run(options)).operations;
    };
    const samples = { raw: [] as Sample[], gateway: [] as DatabaseSample[] };
    for (let run = 1; run <= runs; run += 1) {
      step(`run ${run} of ${runs}`);
      await post(rawUrl, warmUpMs);
      samples.raw.push(await measure(baseline.pid, () => post(rawUrl, windowMs)));
      await post(gateway.url, warmUpMs);
      samples.gateway.push(await measureGateway(gateway, () => post(gateway.url, windowMs)));
    }
    const perSecond = summarize(samples.gateway).perSecond / 2;
    const halfLoaded = {
      url: gateway.url,
      connections: CONNECTIONS,
      batch: null,
      durationMs: windowMs,
      perSecond,
    };
    const p99Ms: number[] = [];
    for (let run = 1; run <= runs; run += 1) {
      step(`half of that, run ${run} of ${runs}`);
      p99Ms.push(quantile((await load.run(halfLoaded)).latenciesMs, 0.99));
    }
    return [
      ...compare({ operations: "subscriptions", ...samples, ratioMin: RATIO_MIN }),
      figure("database_cpu_each", databaseCpuUsEach(samples.gateway), "µs"),
      figure("p99_at_half", median(p99Ms), "ms", atMost(P99_MS_MAX)),
    ];
  },
};
