import { analyzeTables } from "../database-counters.ts";
import { atMost, figure } from "../figure.ts";
import { LifeLoad } from "../life-load.ts";
import { databaseCpuUsEach, measureGateway, summarize, type DatabaseSample } from "../measure.ts";
import type { BenchSettings, Scenario } from "../scenario.ts";

const NODES = [1, 2, 4] as const;
/**
 * Load of each gateway. Low enough that all gateways together leave this machine's cores time to spare: at
 * full load they would compete with each other and with Postgres, which gateways on machines of their own don't.
 */
const EACH_PER_SECOND = 60;
/** More than a loop needs: until as many jobs end as are accepted. */
const WARM_UP_MS = 4000;
/** Database CPU per job with several gateways, divided by that with one. */
const RATIO_MAX = 1.15;

/** The same lives as in `life`, at the same rate at each of several gateways on one database. */
export const nodes: Scenario = {
  name: "nodes",
  title: `whole lives of jobs, ${EACH_PER_SECOND} a second at each of 1, 2 and 4 gateways on one database`,
  async run(settings) {
    const figures = [];
    let one = Number.NaN;
    for (const count of NODES) {
      const { perSecond, databaseCpuUs, lost } = await measureNodes(count, settings);
      if (count === 1) one = databaseCpuUs;
      figures.push(
        figure(`jobs_of_${count}`, perSecond, "jobs/s"),
        figure(`database_cpu_each_of_${count}`, databaseCpuUs, "µs"),
        figure(`lost_of_${count}`, lost, "jobs", atMost(0)),
      );
      if (count > 1) {
        const ratio = databaseCpuUs / one;
        figures.push(figure(`database_cpu_ratio_of_${count}`, ratio, "ratio", atMost(RATIO_MAX)));
      }
    }
    return figures;
  },
};

async function measureNodes(
  count: number,
  { runs, windowMs, step }: BenchSettings,
): Promise<{ perSecond: number; databaseCpuUs: number; lost: number }> {
  step(`starting ${count}`);
  await using load = await LifeLoad.start(count);
  load.feedEach(EACH_PER_SECOND);
  await load.livesWithin(WARM_UP_MS);
  await analyzeTables(load.gateway);
  await load.livesWithin(WARM_UP_MS);
  const samples: DatabaseSample[] = [];
  for (let run = 1; run <= runs; run += 1) {
    step(`${count}: run ${run} of ${runs}`);
    samples.push(await measureGateway(load.gateway, () => load.livesWithin(windowMs)));
  }
  const { perSecond } = summarize(samples);
  const databaseCpuUs = databaseCpuUsEach(samples);
  step(`${count}: ${Math.round(databaseCpuUs)} µs of the database a life; waiting for the rest`);
  await load.drain();
  return { perSecond, databaseCpuUs, lost: await load.countUndelivered() };
}
