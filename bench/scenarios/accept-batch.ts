import { AcceptLoad } from "../accept-load.ts";
import { atLeast, figure } from "../figure.ts";
import {
  databaseCpuUsEach,
  measureGateway,
  median,
  quantile,
  summarize,
  type DatabaseSample,
} from "../measure.ts";
import type { Scenario } from "../scenario.ts";

const BATCH = 1000;
/** One is being stored while the next is read and checked. */
const CONNECTIONS = 4;
const PER_SECOND_MIN = 25_000;

/** Full batches as fast as the answers come, each committed before it is answered. */
export const acceptBatch: Scenario = {
  name: "accept-batch",
  title: `accepting subscriptions in batches of ${BATCH} over ${CONNECTIONS} connections`,
  async run({ runs, warmUpMs, windowMs, step }) {
    await using load = await AcceptLoad.start();
    const post = { url: load.gateway.url, connections: CONNECTIONS, batch: BATCH };
    const samples: DatabaseSample[] = [];
    const p99Ms: number[] = [];
    for (let run = 1; run <= runs; run += 1) {
      step(`run ${run} of ${runs}`);
      await load.run({ ...post, durationMs: warmUpMs });
      const sample = await measureGateway(load.gateway, async () => {
        const result = await load.run({ ...post, durationMs: windowMs });
        p99Ms.push(quantile(result.latenciesMs, 0.99));
        return result.operations;
      });
      samples.push(sample);
    }
    const { perSecond, cpuUsEach, spread } = summarize(samples);
    return [
      figure("subscriptions", perSecond, "subscriptions/s", atLeast(PER_SECOND_MIN)),
      figure("spread", spread, "ratio"),
      figure("cpu_each", cpuUsEach ?? Number.NaN, "µs"),
      figure("database_cpu_each", databaseCpuUsEach(samples), "µs"),
      figure("batch_p99", median(p99Ms), "ms"),
    ];
  },
};
