import { atMost, figure } from "../figure.ts";
import {
  databaseCpuUsEach,
  measureGateway,
  median,
  quantile,
  summarize,
  type DatabaseSample,
} from "../measure.ts";
import { MessageLoad } from "../message-load.ts";
import type { Scenario } from "../scenario.ts";

const PER_SECOND = 200;
const CONNECTIONS = 16;
const P50_MS_MAX = 2;
const P99_MS_MAX = 10;
const CPU_US_EACH_MAX = 1200;

/** As many messages as a busy product sends: far from what the machine can do. */
export const human: Scenario = {
  name: "human",
  title: `${PER_SECOND} messages a second, from the subscription to the callback`,
  async run({ runs, warmUpMs, windowMs, step }) {
    await using load = await MessageLoad.start();
    const { gateway } = load;
    const figures = [];
    for (const kind of ["ordinary", "late"] as const) {
      const samples: DatabaseSample[] = [];
      const lags: (readonly number[])[] = [];
      const send = async (durationMs: number): Promise<number> => {
        const rate = { connections: CONNECTIONS, durationMs, perSecond: PER_SECOND };
        const { count, lagsMs } = await load.send(kind, rate);
        lags.push(lagsMs);
        return count;
      };
      await send(warmUpMs);
      lags.length = 0;
      for (let run = 1; run <= runs; run += 1) {
        step(`${kind}, run ${run} of ${runs}`);
        samples.push(await measureGateway(gateway, () => send(windowMs)));
      }
      const gatewayUs = summarize(samples).cpuUsEach ?? Number.NaN;
      const databaseUs = databaseCpuUsEach(samples);
      const share = (of: number): number => median(lags.map((lagsMs) => quantile(lagsMs, of)));
      figures.push(
        figure(`${kind}_p50`, share(0.5), "ms", atMost(P50_MS_MAX)),
        figure(`${kind}_p99`, share(0.99), "ms", atMost(P99_MS_MAX)),
        figure(`${kind}_max`, Math.max(...lags.flat()), "ms"),
        figure(`${kind}_gateway_cpu_each`, gatewayUs, "µs"),
        figure(`${kind}_database_cpu_each`, databaseUs, "µs"),
        figure(`${kind}_cpu_each`, gatewayUs + databaseUs, "µs", atMost(CPU_US_EACH_MAX)),
      );
    }
    return figures;
  },
};
