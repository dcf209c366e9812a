import { setTimeout as wait } from "node:timers/promises";
import { atLeast, figure, type Figure } from "../figure.ts";
import { BenchGateway } from "../gateway.ts";
import {
  databaseCpuUsEach,
  measureWithDatabase,
  summarize,
  type DatabaseSample,
} from "../measure.ts";
import { RIVALS, type RivalSetting } from "../rivals/rival.ts";
import { RunningRival } from "../rivals/running-rival.ts";
import { pollsWithin, watchRunningJobs, type Upstream } from "../saturation.ts";
import type { BenchSettings, Scenario } from "../scenario.ts";
import { WorkerProcess } from "../worker-process.ts";

const JOBS = 10_000;
const RATIO_MIN = 10;

/** One of those that poll, at rest until it is resumed. */
interface Contender {
  /** Starts the names of its figures. */
  readonly prefix: string;
  readonly pid: number;
  readonly postgresPid: number;
  resume(): Promise<void>;
  pause(): Promise<void>;
  readonly samples: DatabaseSample[];
}

/** The gateway and what people would build instead, polling the same jobs in turns. */
export const rivals: Scenario = {
  name: "rivals",
  title: `polling ${JOBS} running jobs, beside ${RIVALS.map(({ name }) => name).join(" and ")}`,
  async run(settings) {
    await using cleanUp = new AsyncDisposableStack();
    const upstream: Upstream = cleanUp.use(await WorkerProcess.start("upstream.ts"));
    const work = { origin: await upstream.ask("listen", undefined), jobs: JOBS };
    const gateway = cleanUp.use(await BenchGateway.start());
    const ours = await gatewayContender(gateway, upstream, work);
    const theirs: Contender[] = [];
    const chosen: Figure[] = [];
    for (const { name, prefix, program, settings: tries } of RIVALS) {
      settings.step(`finding the best setting for ${name}`);
      const rival = cleanUp.use(await RunningRival.start({ program }, work));
      const best = await bestSetting(rival, tries, upstream, settings);
      chosen.push(
        figure(`${prefix}_workers`, best.workers, "workers"),
        figure(`${prefix}_batch`, best.batch, "jobs"),
      );
      theirs.push(rivalContender(prefix, rival, best));
    }
    // In turns, so that a noisy moment of the machine hits all.
    const runs = settings.mode === "quick" ? 1 : settings.runs;
    for (let run = 1; run <= runs; run += 1) {
      settings.step(`run ${run} of ${runs}`);
      for (const each of [ours, ...theirs]) await takeTurn(each, upstream, settings);
    }
    return [...figuresOf(ours), ...theirs.flatMap(figuresOf), ...chosen, ...ratios(ours, theirs)];
  },
};

async function gatewayContender(
  gateway: BenchGateway,
  upstream: Upstream,
  work: { readonly origin: string; readonly jobs: number },
): Promise<Contender> {
  const connection = await watchRunningJobs(gateway, upstream, work);
  await connection.setState("paused");
  return {
    prefix: "",
    pid: gateway.pid,
    postgresPid: (await gateway.postgres()).pid,
    resume: () => connection.setState("active"),
    pause: () => connection.setState("paused"),
    samples: [],
  };
}

function rivalContender(prefix: string, rival: RunningRival, setting: RivalSetting): Contender {
  return {
    prefix: `${prefix}_`,
    pid: rival.pid,
    postgresPid: rival.postgresPid,
    resume: () => rival.resume(setting),
    pause: () => rival.pause(),
    samples: [],
  };
}

/** By rate, as that is what is compared. A quick run takes the first. */
async function bestSetting(
  rival: RunningRival,
  tries: readonly [RivalSetting, ...RivalSetting[]],
  upstream: Upstream,
  settings: BenchSettings,
): Promise<RivalSetting> {
  if (settings.mode === "quick") return tries[0];
  let best = { setting: tries[0], perSecond: 0 };
  for (const setting of tries) {
    const attempt = rivalContender("", rival, setting);
    await takeTurn(attempt, upstream, { ...settings, windowMs: settings.windowMs / 2 });
    const { perSecond } = summarize(attempt.samples);
    settings.step(`${Math.round(perSecond)} polls/s with ${JSON.stringify(setting)}`);
    if (perSecond > best.perSecond) best = { setting, perSecond };
  }
  return best.setting;
}

async function takeTurn(
  contender: Contender,
  upstream: Upstream,
  { warmUpMs, windowMs }: BenchSettings,
): Promise<void> {
  await contender.resume();
  await wait(warmUpMs);
  const act = (): Promise<number> => pollsWithin(windowMs, upstream);
  contender.samples.push(await measureWithDatabase(contender, act));
  await contender.pause();
}

function figuresOf({ prefix, samples }: Contender): readonly Figure[] {
  const { perSecond, spread, cpuUsEach } = summarize(samples);
  return [
    figure(`${prefix}polls`, perSecond, "polls/s"),
    figure(`${prefix}spread`, spread, "ratio"),
    figure(`${prefix}cpu_each`, cpuUsEach ?? Number.NaN, "µs"),
    figure(`${prefix}database_cpu_each`, databaseCpuUsEach(samples), "µs"),
  ];
}

/** CPU includes the database's. */
function ratios(ours: Contender, theirs: readonly Contender[]): readonly Figure[] {
  const rate = ({ samples }: Contender): number => summarize(samples).perSecond;
  const cpu = ({ samples }: Contender): number =>
    (summarize(samples).cpuUsEach ?? Number.NaN) + databaseCpuUsEach(samples);
  const ratio = rate(ours) / Math.max(...theirs.map(rate));
  const cpuRatio = Math.min(...theirs.map(cpu)) / cpu(ours);
  return [
    figure("ratio_to_better_rival", ratio, "ratio", atLeast(RATIO_MIN)),
    figure("cpu_ratio_of_better_rival", cpuRatio, "ratio"),
  ];
}
