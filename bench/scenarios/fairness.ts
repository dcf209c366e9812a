import { execFile } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import type { AttackerCommands } from "../attacker.ts";
import { atLeast, atMost, figure, type Figure } from "../figure.ts";
import { BenchGateway, type BenchConnection } from "../gateway.ts";
import { median, quantile } from "../measure.ts";
import { profileWhile } from "../profiler.ts";
import type { NameServerCommands } from "../name-server.ts";
import type { ReceiverCommands } from "../receiver.ts";
import type { Scenario } from "../scenario.ts";
import type { UpstreamCommands } from "../upstream.ts";
import { WorkerProcess } from "../worker-process.ts";
import {
  type Attack,
  ATTACKS,
  beginFlood,
  type Flood,
  type Scene,
  subscribeAll,
} from "./fairness-attacks.ts";

const ENDINGS_PER_SECOND = 100;
const REQUEST_INTERVAL_MS = 10;
const SETTLE_MS = 500;
/** Length of one window: 300 endings and as many requests. The whole takes some five minutes. */
const MEASURE_MS = { full: 3000, quick: 2000 };
/** Windows with and without an attack, as many of each. */
const WINDOWS = { full: 3, quick: 2 };
/** The same for an attack that the gateway stores, which is measured after a restart too. */
const STORED_WINDOWS = { full: 2, quick: 1 };
/** As many polls a second as there are jobs, so that some job is polled whenever an ending is due. */
const POLL_INTERVAL_S = 1;
/** Live jobs at the end of a window; each begins with as many as end in it besides. */
const JOBS_LEFT = 1000;
/** Beside an attack, the quiet project may wait for twice as long as without. */
const RATIO_MAX = 2;
/** Beside an attack, its jobs are polled at least half as often as without. */
const POLL_RATIO_MIN = 0.5;
/** Beside an attack, at least this part of the callbacks arrive within the window. */
const CALLBACK_RATIO_MIN = 0.8;
/** Below it, a ratio says more about the machine than about the gateway. */
const QUIET_P99_MS_MIN = 20;
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** The project that is measured: its jobs, and where its callbacks go. */
interface QuietProject {
  readonly connection: BenchConnection;
  readonly upstream: WorkerProcess<UpstreamCommands>;
  readonly receiver: WorkerProcess<ReceiverCommands>;
  readonly receiverOrigin: string;
}

/**
 * A quiet project's figures beside each attack, over its figures without, on the same gateway and with as
 * many jobs: in windows that alternate, or just before an attack that can't be stopped, because the gateway
 * stores it. Such an attack has a gateway of its own, and goes on after a restart, which is compared with one
 * without it.
 */
export const fairness: Scenario = {
  name: "fairness",
  title: "a quiet project's callbacks and requests while another project or a stranger attacks",
  parts: ATTACKS.map(({ name }) => name),
  async run({ mode, only, step }) {
    const attacks = ATTACKS.filter(({ name }) => only === null || name === only);
    const passing = attacks.filter(({ isStored }) => !isStored);
    const figures = passing.length === 0 ? [] : await besideAttacks(passing, mode, step);
    for (const attack of attacks) {
      if (attack.isStored) figures.push(...(await besideAttacks([attack], mode, step)));
    }
    return figures;
  },
};

/** Measures beside each of the attacks, one after the other, on a new gateway. */
async function besideAttacks(
  attacks: readonly Attack[],
  mode: "full" | "quick",
  step: (text: string) => void,
): Promise<Figure[]> {
  await using upstream: WorkerProcess<UpstreamCommands> = await WorkerProcess.start("upstream.ts");
  await using attackersUpstream: WorkerProcess<UpstreamCommands> =
    await WorkerProcess.start("upstream.ts");
  await using receiver: WorkerProcess<ReceiverCommands> = await WorkerProcess.start("receiver.ts");
  await using attackersReceiver: WorkerProcess<ReceiverCommands> =
    await WorkerProcess.start("receiver.ts");
  await using silentReceiver: WorkerProcess<ReceiverCommands> =
    await WorkerProcess.start("receiver.ts");
  await using idler: WorkerProcess<ReceiverCommands> = await WorkerProcess.start("receiver.ts");
  await using client: WorkerProcess<AttackerCommands> = await WorkerProcess.start("attacker.ts");
  await using names: WorkerProcess<NameServerCommands> =
    await WorkerProcess.start("name-server.ts");
  const settings = {
    RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    RINGBACK_NAME_SERVERS: await names.ask("listen", undefined),
  };
  await using gateway = await BenchGateway.start(settings);
  const apiKey = await createProject(gateway, settings);
  const upstreamUrl = await attackersUpstream.ask("listen", undefined);
  const scene: Scene = {
    mode,
    gateway,
    attacker: { apiKey, connection: await gateway.connect("attacker", upstreamUrl, {}, apiKey) },
    upstream: attackersUpstream,
    receiver: await firstOrigin(attackersReceiver),
    silent: await firstOrigin(silentReceiver),
    client,
    idler,
    idlerOrigin: await firstOrigin(idler),
  };
  await silentReceiver.ask("hold", undefined);
  const quiet: QuietProject = {
    connection: await gateway.connect("quiet", await upstream.ask("listen", undefined), {
      poll_interval_s: POLL_INTERVAL_S,
    }),
    upstream,
    receiver,
    receiverOrigin: await firstOrigin(receiver),
  };
  await receiver.ask("timeLags", undefined);
  await upstream.ask("completeAtRate", { perSecond: ENDINGS_PER_SECOND });
  const figures: Figure[] = [];
  step("warming up");
  await measureWindow(scene, quiet);
  for (const attack of attacks) {
    const { without, beside, elsewhere, restarts } = await measureInTurns(
      attack,
      scene,
      quiet,
      step,
    );
    step(`p99 ${describe(beside)}; without ${describe(without)}`);
    figures.push(...quietFiguresOf(attack.name, without));
    if (elsewhere !== null) {
      step(`beside the same flood of a server that does nothing: ${describe(elsewhere)}`);
      figures.push(...machineFiguresOf(attack.name, elsewhere));
    }
    figures.push(...figuresOf(attack.name, beside, without));
    if (restarts === null) continue;
    step(
      `after a restart: p99 ${describe(restarts.beside)}; without ${describe(restarts.without)}`,
    );
    figures.push(...figuresOf(`${attack.name}_restarted`, restarts.beside, restarts.without));
  }
  return figures;
}

interface Compared {
  readonly without: QuietSamples;
  readonly beside: QuietSamples;
}

/** The rounds of attacks so far, of all scenes. */
let rounds = 0;

async function beginRound(attack: Attack, scene: Scene): Promise<void> {
  rounds += 1;
  await attack.begin(scene, rounds);
}

interface Measured extends Compared {
  /** Beside a flood of as many requests that goes to a server that does nothing; null for other attacks. */
  readonly elsewhere: QuietSamples | null;
  /** Null for an attack that is not stored. */
  readonly restarts: Compared | null;
}

/** A stored attack can't be ended, so all windows without it come before the windows with it. */
async function measureInTurns(
  attack: Attack,
  scene: Scene,
  quiet: QuietProject,
  step: (text: string) => void,
): Promise<Measured> {
  const windows = (attack.isStored ? STORED_WINDOWS : WINDOWS)[scene.mode];
  const without: QuietSamples[] = [];
  const beside: QuietSamples[] = [];
  const measureBeside = async (): Promise<void> => {
    await beginRound(attack, scene);
    beside.push(await profileWhile(scene.gateway.pid, () => measureWindow(scene, quiet)));
  };
  if (!attack.isStored) {
    const elsewhere: QuietSamples[] = [];
    for (let window = 1; window <= windows; window += 1) {
      step(`without and beside ${attack.name}, ${window} of ${windows}`);
      without.push(await measureWindow(scene, quiet));
      const startedAt = performance.now();
      await measureBeside();
      const answered = await scene.client.ask("answered", undefined);
      const perSecond = (answered * 1000) / (performance.now() - startedAt);
      await attack.end?.(scene);
      if (attack.flood !== undefined)
        elsewhere.push(await measureElsewhere(attack.flood, perSecond, scene, quiet));
    }
    return {
      without: together(without),
      beside: together(beside),
      elsewhere: elsewhere.length === 0 ? null : together(elsewhere),
      restarts: null,
    };
  }
  step(`quiet, before ${attack.name}`);
  for (let window = 1; window <= windows; window += 1) {
    without.push(await measureWindow(scene, quiet));
  }
  const restartedWithout = await measureRestarted(scene, quiet);
  step(`beside ${attack.name}`);
  for (let window = 1; window <= windows; window += 1) await measureBeside();
  step(`beside ${attack.name}, after a restart`);
  await beginRound(attack, scene);
  const restarts = { without: restartedWithout, beside: await measureRestarted(scene, quiet) };
  return { without: together(without), beside: together(beside), elsewhere: null, restarts };
}

/** The same client floods a server that does nothing with as many requests a second as the gateway answered. */
async function measureElsewhere(
  flooded: Flood,
  perSecond: number,
  scene: Scene,
  quiet: QuietProject,
): Promise<QuietSamples> {
  await scene.idler.ask("delay", { ms: (flooded.concurrency * 1000) / perSecond });
  await beginFlood(flooded, scene, scene.idlerOrigin);
  const samples = await measureWindow(scene, quiet);
  await scene.client.ask("stop", undefined);
  return samples;
}

/**
 * Restarts the gateway and measures. On a busy machine a process that has just begun answers nothing for
 * seconds, attacked or not, so the first window is left out.
 */
async function measureRestarted(scene: Scene, quiet: QuietProject): Promise<QuietSamples> {
  await scene.gateway.stop();
  await scene.gateway.start();
  await measureWindow(scene, quiet);
  return measureWindow(scene, quiet);
}

/** Milliseconds, by window. */
type Samples = readonly (readonly number[])[];

/** All that was measured, of one window or several. */
interface QuietSamples {
  readonly lagsMs: Samples;
  readonly subscribesMs: Samples;
  readonly healthsMs: Samples;
  readonly polls: number;
  readonly elapsedMs: number;
  readonly requestsFailed: number;
}

function together(windows: readonly QuietSamples[]): QuietSamples {
  const sum = (of: (window: QuietSamples) => number): number =>
    windows.reduce((total, window) => total + of(window), 0);
  return {
    lagsMs: windows.flatMap(({ lagsMs }) => lagsMs),
    subscribesMs: windows.flatMap(({ subscribesMs }) => subscribesMs),
    healthsMs: windows.flatMap(({ healthsMs }) => healthsMs),
    polls: sum(({ polls }) => polls),
    elapsedMs: sum(({ elapsedMs }) => elapsedMs),
    requestsFailed: sum(({ requestsFailed }) => requestsFailed),
  };
}

/**
 * Fills up the project's live jobs, so that every window begins with as many: there are as many polls, and
 * an ending whenever one is due.
 */
async function fillJobs({ gateway, mode }: Scene, quiet: QuietProject): Promise<void> {
  const wanted = (ENDINGS_PER_SECOND * (SETTLE_MS + MEASURE_MS[mode])) / 1000 + JOBS_LEFT;
  const live = await liveJobs(gateway, quiet.connection);
  const wishes = Array.from({ length: Math.max(0, wanted - live) }, () => ({
    job_id: `bench-${randomUUID()}`,
    callback_url: `${quiet.receiverOrigin}/hooks`,
  }));
  await subscribeAll(gateway, quiet.connection, wishes, gateway.apiKey);
}

/** Counted in the database: a gateway that has just started does not hold all of them yet. */
async function liveJobs(gateway: BenchGateway, { id }: BenchConnection): Promise<number> {
  const database = await gateway.openDatabase();
  try {
    const [row] = await database<{ live: number }[]>`
      select count(*)::int as live from jobs
      where ended_at is null and connection_id = ${id.replace(/^con_/, "")}`;
    return row?.live ?? 0;
  } finally {
    await database.end();
  }
}

async function measureWindow(scene: Scene, quiet: QuietProject): Promise<QuietSamples> {
  const { gateway, mode } = scene;
  const { connection, upstream, receiver, receiverOrigin } = quiet;
  await fillJobs(scene, quiet);
  await wait(SETTLE_MS);
  await receiver.ask("timeLags", undefined);
  const pollsBefore = await upstream.ask("requests", undefined);
  const startedAt = performance.now();
  const requests = await timeRequests(gateway, connection, receiverOrigin, MEASURE_MS[mode]);
  const polls = (await upstream.ask("requests", undefined)) - pollsBefore;
  return {
    lagsMs: [await receiver.ask("lagsMs", undefined)],
    subscribesMs: [requests.subscribeMs],
    healthsMs: [requests.healthMs],
    polls,
    elapsedMs: performance.now() - startedAt,
    requestsFailed: requests.failed,
  };
}

/** The median over the windows, so that a window in which the machine stood still does not decide. */
const p99 = (windowsMs: Samples): number =>
  median(windowsMs.map((samplesMs) => quantile(samplesMs, 0.99)));
const count = (windowsMs: Samples): number => windowsMs.flat().length;
const callbacksPerSecond = ({ lagsMs, elapsedMs }: QuietSamples): number =>
  (count(lagsMs) * 1000) / elapsedMs;
const pollsPerSecond = ({ polls, elapsedMs }: QuietSamples): number => (polls * 1000) / elapsedMs;

function describe(samples: QuietSamples): string {
  const of = (name: string, windowsMs: Samples): string =>
    `${name} ${Math.round(p99(windowsMs))} ms of ${count(windowsMs)}`;
  const { lagsMs, subscribesMs, healthsMs } = samples;
  const latencies = [of("lag", lagsMs), of("subscribe", subscribesMs), of("healthz", healthsMs)];
  return `${latencies.join(", ")}, ${Math.round(pollsPerSecond(samples))} polls/s`;
}

function quietFiguresOf(name: string, quiet: QuietSamples): Figure[] {
  return [
    figure(`${name}_quiet_lag_p99`, p99(quiet.lagsMs), "ms"),
    figure(`${name}_quiet_subscribe_p99`, p99(quiet.subscribesMs), "ms"),
    figure(`${name}_quiet_healthz_p99`, p99(quiet.healthsMs), "ms"),
    figure(`${name}_quiet_polls`, pollsPerSecond(quiet), "polls/s"),
  ];
}

/** The floor of the figures beside a flood: its client takes as much of the machine, whatever answers it. */
function machineFiguresOf(name: string, elsewhere: QuietSamples): Figure[] {
  return [
    figure(`${name}_machine_lag_p99`, p99(elsewhere.lagsMs), "ms"),
    figure(`${name}_machine_subscribe_p99`, p99(elsewhere.subscribesMs), "ms"),
    figure(`${name}_machine_healthz_p99`, p99(elsewhere.healthsMs), "ms"),
  ];
}

function figuresOf(name: string, beside: QuietSamples, without: QuietSamples): Figure[] {
  const latency = (of: string, besideMs: Samples, withoutMs: Samples): Figure[] => [
    figure(`${name}_${of}_samples`, Math.min(count(besideMs), count(withoutMs)), "samples"),
    figure(`${name}_${of}_median`, median(besideMs.flat()), "ms"),
    figure(`${name}_${of}_p99`, p99(besideMs), "ms"),
    figure(
      `${name}_${of}_ratio`,
      p99(besideMs) / Math.max(QUIET_P99_MS_MIN, p99(withoutMs)),
      "ratio",
      atMost(RATIO_MAX),
    ),
  ];
  const pollRatio = pollsPerSecond(beside) / pollsPerSecond(without);
  // Callbacks that do not come have no lag.
  const callbackRatio = callbacksPerSecond(beside) / callbacksPerSecond(without);
  return [
    ...latency("lag", beside.lagsMs, without.lagsMs),
    ...latency("subscribe", beside.subscribesMs, without.subscribesMs),
    ...latency("healthz", beside.healthsMs, without.healthsMs),
    figure(`${name}_callbacks_ratio`, callbackRatio, "ratio", atLeast(CALLBACK_RATIO_MIN)),
    figure(`${name}_polls_ratio`, pollRatio, "ratio", atLeast(POLL_RATIO_MIN)),
    figure(`${name}_requests_failed`, beside.requestsFailed, "requests", atMost(0)),
  ];
}

/** Creates a project as an operator does. @returns its first API key */
async function createProject(
  gateway: BenchGateway,
  settings: Readonly<Record<string, string>>,
): Promise<string> {
  const { url } = await gateway.postgres();
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [MAIN, "project", "create", "attacker"],
    { env: { ...process.env, ...settings, DATABASE_URL: url } },
  );
  const [key] = /rb_\S+/.exec(stdout) ?? [];
  if (key === undefined) throw new Error(`No API key was printed: ${stdout}`);
  return key;
}

async function firstOrigin(receiver: WorkerProcess<ReceiverCommands>): Promise<string> {
  const [origin = ""] = await receiver.ask("listen", { origins: 1 });
  return origin;
}

interface TimedRequests {
  readonly subscribeMs: number[];
  readonly healthMs: number[];
  failed: number;
}

/** Subscribes and asks for the health at a steady pace, however long the answers take. */
async function timeRequests(
  gateway: BenchGateway,
  connection: BenchConnection,
  origin: string,
  forMs: number,
): Promise<TimedRequests> {
  const timed: TimedRequests = { subscribeMs: [], healthMs: [], failed: 0 };
  const time = async (into: number[], act: () => Promise<unknown>): Promise<void> => {
    const startedAt = performance.now();
    await act().catch(() => (timed.failed += 1));
    into.push(performance.now() - startedAt);
  };
  const open: Promise<void>[] = [];
  const endsAt = performance.now() + forMs;
  while (performance.now() < endsAt) {
    const wish = { job_id: `timed-${randomUUID()}`, callback_url: `${origin}/hooks` };
    open.push(
      time(timed.subscribeMs, () => gateway.subscribe(connection, [wish])),
      time(timed.healthMs, async () => (await fetch(`${gateway.url}/healthz`)).text()),
    );
    await wait(REQUEST_INTERVAL_MS);
  }
  await Promise.all(open);
  return timed;
}
