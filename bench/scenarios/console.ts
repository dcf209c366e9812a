import { setTimeout as wait } from "node:timers/promises";
import type { Sql } from "postgres";
import type { ConsoleViewersCommands } from "../console-viewers.ts";
import { restartCountingStatements } from "../database-counters.ts";
import { atLeast, atMost, figure, type Figure } from "../figure.ts";
import { BenchGateway } from "../gateway.ts";
import { LifeLoad } from "../life-load.ts";
import { type DatabaseSample, measureGateway, median } from "../measure.ts";
import type { ReceiverCommands } from "../receiver.ts";
import { pollsWithin, watchRunningJobs } from "../saturation.ts";
import type { BenchSettings, Scenario } from "../scenario.ts";
import { until } from "../until.ts";
import type { UpstreamCommands } from "../upstream.ts";
import { WorkerProcess } from "../worker-process.ts";

/** The pages of ten viewers. */
const PAGES = [
  "overview",
  "overview",
  "overview",
  "jobs",
  "jobs",
  "subscriptions",
  "deliveries",
  "deliveries?status=exhausted",
  "events",
  "callback-origins",
];
const FEW_JOBS = 1000;
const MANY_JOBS = { full: 100_000, quick: 20_000 };
const RUNNING_JOBS = 10_000;
/** Pages are read again every three seconds. */
const REST_WINDOW_MS = { full: 30_000, quick: 12_000 };
/** Two rounds of the viewers' reading again. */
const BUSY_WINDOW_MS = 6000;
const BUSY_RUNS = { full: 7, quick: 3 };
const SETTLE_MS = 5000;
/** So often that what the gateway does by itself makes no difference. */
const TIMES_READ = 30;
/** Percent of one core. */
const CPU_PERCENT_EACH_MAX = 1;
const GROWTH_MAX = 1.2;
const RATIO_MIN = 0.97;

type Viewers = WorkerProcess<ConsoleViewersCommands>;

/** The cost of ten open consoles: at rest, in reads of growing tables, and in polls and callbacks. */
export const openConsoles: Scenario = {
  name: "console",
  title: `${PAGES.length} people looking at the console: at rest, and beside polls and callbacks`,
  async run(settings) {
    await using viewers: Viewers = await WorkerProcess.start("console-viewers.ts");
    return [
      ...(await atRestAndPolling(viewers, settings)),
      ...(await besideLives(viewers, settings)),
    ];
  },
};

async function atRestAndPolling(
  viewers: Viewers,
  settings: BenchSettings,
): Promise<readonly Figure[]> {
  await using upstream: WorkerProcess<UpstreamCommands> = await WorkerProcess.start("upstream.ts");
  await using receiver: WorkerProcess<ReceiverCommands> = await WorkerProcess.start("receiver.ts");
  await using gateway = await BenchGateway.start();
  await restartCountingStatements(gateway);
  const origin = await upstream.ask("listen", undefined);
  const [callbacks] = await receiver.ask("listen", { origins: 1 });
  await receiver.ask("tally", undefined);
  await upstream.ask("completeAfter", { runningPolls: 0, result: { pages: 3 } });
  const connection = await gateway.connect("console", origin);
  const figures: Figure[] = [];
  const blocks: number[] = [];
  let ended = 0;
  for (const jobs of [FEW_JOBS, MANY_JOBS[settings.mode]]) {
    settings.step(`${jobs} jobs end`);
    const wishes = Array.from({ length: jobs - ended }, (_, index) => ({
      job_id: `ended-${ended + index}`,
      callback_url: `${callbacks}/hooks-${ended + index}`,
    }));
    await gateway.subscribe(connection, wishes);
    await until("all callbacks are taken", async () => {
      return (await receiver.ask("distinct", undefined)) >= jobs;
    });
    ended = jobs;
    const { blocksEach, ...rest } = await atRest(viewers, gateway, settings);
    blocks.push(blocksEach);
    const name = jobs === FEW_JOBS ? "few_jobs" : "many_jobs";
    figures.push(
      figure(`${name}_cpu_each`, rest.cpuPercentEach, "%", atMost(CPU_PERCENT_EACH_MAX)),
      figure(`${name}_statements_a_page`, rest.statementsEach, "statements"),
      figure(`${name}_blocks_a_page`, blocksEach, "blocks"),
      figure(`${name}_unchanged`, rest.unchanged, "ratio"),
    );
  }
  const [few = Number.NaN, many = Number.NaN] = blocks;
  figures.push(figure("blocks_many_to_few", many / few, "ratio", atMost(GROWTH_MAX)));
  return [...figures, ...(await besidePolls(viewers, gateway, settings))];
}

interface AtRest {
  readonly cpuPercentEach: number;
  /** The part of the refreshes that found nothing new. */
  readonly unchanged: number;
  readonly statementsEach: number;
  /** Pages of tables and indexes that Postgres looked at. */
  readonly blocksEach: number;
}

/** The difference that the viewers make to a gateway that does nothing else. */
async function atRest(
  viewers: Viewers,
  gateway: BenchGateway,
  { mode, step }: BenchSettings,
): Promise<AtRest> {
  await using closing = new AsyncDisposableStack();
  const sql = closing.adopt(await gateway.openDatabase(), (open) => open.end());
  await sql`vacuum analyze`;
  await wait(SETTLE_MS);
  const { url, apiKey } = gateway;
  step("at rest without viewers");
  const without = await cpuShareWithin(gateway, REST_WINDOW_MS[mode]);
  step("at rest with viewers");
  await viewers.ask("come", { url, apiKey, pages: PAGES });
  const withThem = await cpuShareWithin(gateway, REST_WINDOW_MS[mode]);
  const { refreshes, unchanged } = await viewers.ask("leave", undefined);
  step("pages one after another");
  const before = await countReads(sql);
  const opened = await viewers.ask("readEach", { url, apiKey, pages: PAGES, times: TIMES_READ });
  const after = await countReads(sql);
  return {
    cpuPercentEach: ((withThem - without) * 100) / PAGES.length,
    unchanged: unchanged / refreshes,
    statementsEach: (after.statements - before.statements) / opened,
    blocksEach: (after.blocks - before.blocks) / opened,
  };
}

/** CPU of the gateway and Postgres together, as a share of one core. */
async function cpuShareWithin(gateway: BenchGateway, windowMs: number): Promise<number> {
  const { elapsedMs, cpuMs, databaseCpuMs } = await measureGateway(gateway, async () => {
    await wait(windowMs);
    return 1;
  });
  return ((cpuMs ?? Number.NaN) + (databaseCpuMs ?? Number.NaN)) / elapsedMs;
}

/**
 * Statements that were run so far, and blocks that they have looked at. The count of rows by status is left
 * out: it is made once for all viewers, takes a hundredth of the time at most, and its part of a few hundred
 * pages is a matter of chance.
 */
async function countReads(sql: Sql): Promise<{ statements: number; blocks: number }> {
  const [row] = await sql<[{ statements: number; blocks: number }]>`
    select sum(calls)::float8 as statements,
      sum(shared_blks_hit + shared_blks_read)::float8 as blocks
    from pg_stat_statements
    where query not ilike '%pg_stat_%' and query not ilike '%tablesample%'`;
  return row;
}

async function besidePolls(
  viewers: Viewers,
  gateway: BenchGateway,
  settings: BenchSettings,
): Promise<readonly Figure[]> {
  await using upstream: WorkerProcess<UpstreamCommands> = await WorkerProcess.start("upstream.ts");
  const polled = { origin: await upstream.ask("listen", undefined), jobs: RUNNING_JOBS };
  settings.step(`${RUNNING_JOBS} jobs run`);
  const connection = await watchRunningJobs(gateway, upstream, polled);
  const turns = await inTurns(viewers, gateway, settings, (ms) => pollsWithin(ms, upstream));
  await connection.setState("paused");
  return figuresOf("polls", turns);
}

/** Jobs that are accepted, polled, end and are called back, so that what the pages show changes all the time. */
async function besideLives(viewers: Viewers, settings: BenchSettings): Promise<readonly Figure[]> {
  await using load = await LifeLoad.start();
  load.feed();
  const turns = await inTurns(viewers, load.gateway, settings, (ms) => load.livesWithin(ms));
  await load.drain();
  return figuresOf("callbacks", turns);
}

interface Turns {
  readonly without: readonly DatabaseSample[];
  readonly beside: readonly DatabaseSample[];
}

/** Windows without and with viewers, in turns, so that a noisy moment of the machine hits both. */
async function inTurns(
  viewers: Viewers,
  gateway: BenchGateway,
  { mode, warmUpMs, step }: BenchSettings,
  operationsWithin: (ms: number) => Promise<number>,
): Promise<Turns> {
  const { url, apiKey } = gateway;
  const windowMs = BUSY_WINDOW_MS;
  const samples = { without: [] as DatabaseSample[], beside: [] as DatabaseSample[] };
  await operationsWithin(windowMs);
  for (let run = 1; run <= BUSY_RUNS[mode]; run += 1) {
    step(`without and with viewers, run ${run} of ${BUSY_RUNS[mode]}`);
    const turns =
      run % 2 === 0 ? (["without", "beside"] as const) : (["beside", "without"] as const);
    for (const turn of turns) {
      if (turn === "beside") await viewers.ask("come", { url, apiKey, pages: PAGES });
      await operationsWithin(warmUpMs);
      samples[turn].push(await measureGateway(gateway, () => operationsWithin(windowMs)));
      if (turn === "beside") await viewers.ask("leave", undefined);
    }
  }
  return samples;
}

/**
 * Rates depend on the other programs of a machine, so each window is compared with its neighbor, and the median
 * pair counts. CPU per operation hardly depends on them.
 */
function figuresOf(operations: string, { without, beside }: Turns): readonly Figure[] {
  const rates = { without: without.map(rateOf), beside: beside.map(rateOf) };
  const ratio = median(
    rates.beside.map((rate, pair) => rate / (rates.without[pair] ?? Number.NaN)),
  );
  return [
    figure(`${operations}_without`, median(rates.without), `${operations}/s`),
    figure(`${operations}_beside`, median(rates.beside), `${operations}/s`),
    figure(`${operations}_beside_to_without`, ratio, "ratio", atLeast(RATIO_MIN)),
    figure(`${operations}_cpu_each_without`, cpuUsEach(without), "µs"),
    figure(`${operations}_cpu_each_beside`, cpuUsEach(beside), "µs"),
  ];
}

/** Operations a second. */
function rateOf({ operations, elapsedMs }: DatabaseSample): number {
  return (operations * 1000) / elapsedMs;
}

/** CPU of the gateway and Postgres together; the median over windows. */
function cpuUsEach(samples: readonly DatabaseSample[]): number {
  return median(
    samples.map(
      ({ operations, cpuMs, databaseCpuMs }) =>
        (((cpuMs ?? Number.NaN) + (databaseCpuMs ?? Number.NaN)) * 1000) / operations,
    ),
  );
}
