import { analyzeTables } from "../database-counters.ts";
import { atMost, figure, type Figure } from "../figure.ts";
import { LifeLoad } from "../life-load.ts";
import { databaseCpuUsEach, measureGateway, median, type DatabaseSample } from "../measure.ts";
import type { BenchSettings, Scenario } from "../scenario.ts";

const NODES = [1, 2, 4] as const;
/**
 * Load of each gateway. Low enough that all gateways together leave this machine's cores time to spare: at
 * full load they would compete with each other and with Postgres, which gateways on machines of their own don't.
 */
const EACH_PER_SECOND = 60;
/**
 * Jobs in a request. One gateway commits the endings of jobs that came in one request together; of several, each
 * commits those of its own shards. Jobs that come one by one have a commit each on one gateway too.
 */
const FORMS = [
  { suffix: "", size: 6 },
  { suffix: "_one_by_one", size: 1 },
] as const;
/**
 * Jobs that are over before the measurement. Statements that are planned for a table of some hundred
 * rows read all of it, and one gateway has had fewer jobs by then than four.
 */
const HISTORY = 5_000;
/** More than a loop needs: until as many jobs end as are accepted, and each connection has planned its statements. */
const WARM_UP_MS = 5_000;
/** Database CPU per job with several gateways, divided by that with one. */
const RATIO_MAX = 1.15;

type Form = (typeof FORMS)[number];
type Count = (typeof NODES)[number];

/** Cost of a life with one number of gateways, under one form of load. */
interface Cost {
  readonly perSecond: number;
  readonly databaseCpuUs: number;
}

/** All numbers of gateways and forms of load, measured one after another. */
interface Turn {
  readonly costs: ReadonlyMap<Form, ReadonlyMap<Count, Cost>>;
  readonly lost: ReadonlyMap<Count, number>;
}

/** The same lives as in `life`, at the same rate at each of several gateways on one database. */
export const nodes: Scenario = {
  name: "nodes",
  title: `whole lives of jobs, ${EACH_PER_SECOND} a second at each of 1, 2 and 4 gateways on one database`,
  async run(settings) {
    const turns: Turn[] = [];
    // The machine is not as fast in one minute as in another: each ratio is taken within a turn.
    const count = settings.mode === "quick" ? 1 : settings.runs;
    for (let turn = 1; turn <= count; turn += 1) turns.push(await measureTurn(settings, turn));
    return [
      ...FORMS.flatMap((form) => NODES.flatMap((nodeCount) => costFigures(turns, form, nodeCount))),
      ...NODES.map((nodeCount) => {
        const lost = turns.reduce((sum, turn) => sum + (turn.lost.get(nodeCount) ?? NaN), 0);
        return figure(`lost_of_${nodeCount}`, lost, "jobs", atMost(0));
      }),
    ];
  },
};

function costFigures(turns: readonly Turn[], form: Form, count: Count): Figure[] {
  const middleOf = (read: (costs: ReadonlyMap<Count, Cost>) => number | undefined): number =>
    median(turns.map(({ costs }) => read(costs.get(form) ?? new Map()) ?? NaN));
  const name = `${count}${form.suffix}`;
  const cpu = middleOf((costs) => costs.get(count)?.databaseCpuUs);
  const figures = [
    figure(
      `jobs_of_${name}`,
      middleOf((costs) => costs.get(count)?.perSecond),
      "jobs/s",
    ),
    figure(`database_cpu_each_of_${name}`, cpu, "µs"),
  ];
  if (count === 1) return figures;
  const ratio = middleOf((costs) => {
    return (costs.get(count)?.databaseCpuUs ?? NaN) / (costs.get(1)?.databaseCpuUs ?? NaN);
  });
  return [...figures, figure(`database_cpu_ratio_of_${name}`, ratio, "ratio", atMost(RATIO_MAX))];
}

async function measureTurn(settings: BenchSettings, turn: number): Promise<Turn> {
  const costs = new Map(FORMS.map((form) => [form, new Map<Count, Cost>()]));
  const lost = new Map<Count, number>();
  for (const count of NODES) {
    settings.step(`turn ${turn}: starting ${count}`);
    await using load = await LifeLoad.start(count);
    await load.leaveBehind(HISTORY);
    await analyzeTables(load.gateway);
    for (const form of FORMS) {
      const cost = await measureForm(load, form, settings);
      costs.get(form)?.set(count, cost);
      const cpu = Math.round(cost.databaseCpuUs);
      settings.step(
        `turn ${turn}, ${count}, ${form.size} a request: ${cpu} µs of the database a life`,
      );
    }
    lost.set(count, await load.countUndelivered());
  }
  return { costs, lost };
}

async function measureForm(
  load: LifeLoad,
  { size }: Form,
  { mode, runs, windowMs }: BenchSettings,
): Promise<Cost> {
  load.feedEach(EACH_PER_SECOND, size);
  await load.livesWithin(WARM_UP_MS);
  const measuredMs = mode === "quick" ? runs * windowMs : windowMs;
  const sample: DatabaseSample = await measureGateway(load.gateway, () =>
    load.livesWithin(measuredMs),
  );
  await load.drain();
  const perSecond = (sample.operations * 1000) / sample.elapsedMs;
  return { perSecond, databaseCpuUs: databaseCpuUsEach([sample]) };
}
