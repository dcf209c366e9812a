import { Logger, makeWorkerUtils, run, type Runner, type WorkerUtils } from "graphile-worker";
import { serveCommands } from "../worker-process.ts";
import { createPoll } from "./poll-upstream.ts";
import type { RivalCommands, RivalSetting, RivalWork } from "./rival.ts";

/*
 * graphile-worker as its page on performance advises: batching on (a local queue, batched
 * completion without delay), a pool of 25 connections. Jobs are put back by addJobs, many in a
 * call, each under its key: a worker that is killed must neither lose a job nor poll it twice from
 * then on.
 */

const TASK = "poll";
const POOL_MAX = 25;
const SEED_BATCH = 1000;
const logger = new Logger(() => () => undefined);

let databaseUrl: string;
let poll: (job: number) => Promise<void>;
let utils: WorkerUtils;
let runner: Runner;

serveCommands({ prepare, resume, pause } satisfies RivalCommands);

async function prepare(work: RivalWork): Promise<void> {
  databaseUrl = work.databaseUrl;
  poll = createPoll(work.origin);
  utils = await makeWorkerUtils({ preset: presetOf({ workers: 1, batch: 1 }) });
  await utils.migrate();
  for (let start = 0; start < work.jobs; start += SEED_BATCH) {
    const count = Math.min(SEED_BATCH, work.jobs - start);
    await addJobs(Array.from({ length: count }, (_, index) => start + index));
  }
}

async function resume(setting: RivalSetting): Promise<void> {
  const again = gather(addJobs);
  const task = async (payload: unknown): Promise<void> => {
    const { job } = payload as { job: number };
    await poll(job);
    await again(job);
  };
  runner = await run({ preset: presetOf(setting), taskList: { [TASK]: task } });
}

async function pause(): Promise<void> {
  await runner.stop();
}

function presetOf({ workers, batch }: RivalSetting): object {
  return {
    worker: {
      connectionString: databaseUrl,
      concurrentJobs: workers,
      maxPoolSize: POOL_MAX,
      localQueue: { size: batch },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      logger,
    },
  };
}

async function addJobs(jobs: readonly number[]): Promise<void> {
  await utils.addJobs(
    jobs.map((job) => ({ identifier: TASK, payload: { job }, jobKey: String(job) })),
  );
}

/** Passes on what came while the last call was in progress, all at once. */
function gather(pass: (jobs: readonly number[]) => Promise<void>): (job: number) => Promise<void> {
  let waiting: number[] = [];
  let inProgress: Promise<void> = Promise.resolve();
  let next: Promise<void> | null = null;
  const passWaiting = async (): Promise<void> => {
    await inProgress;
    const jobs = waiting;
    waiting = [];
    next = null;
    inProgress = pass(jobs);
    await inProgress;
  };
  return (job) => {
    waiting.push(job);
    next ??= passWaiting();
    return next;
  };
}
