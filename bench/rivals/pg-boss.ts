import { PgBoss, type ConnectionOptions } from "pg-boss";
import { serveCommands } from "../worker-process.ts";
import { createPoll } from "./poll-upstream.ts";
import type { RivalCommands, RivalSetting, RivalWork } from "./rival.ts";

/*
 * pg-boss as its documentation advises for busy queues: a partition of its own for the queue,
 * several workers that fetch and complete in batches, and fetch on while batches come back full.
 * Jobs are put back by insert, a batch in a call, in the transaction that completes the batch: a
 * worker that is killed must neither lose a job nor poll it twice from then on.
 */

const QUEUE = "poll";
const POOL_MAX = 25;
const POLLING_INTERVAL_S_MIN = 0.5;
const SEED_BATCH = 1000;

let poll: (job: number) => Promise<void>;
let boss: PgBoss;

serveCommands({ prepare, resume, pause } satisfies RivalCommands);

async function prepare(work: RivalWork): Promise<void> {
  poll = createPoll(work.origin);
  boss = new PgBoss({ connectionString: work.databaseUrl, max: POOL_MAX });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  await boss.createQueue(QUEUE, { partition: true });
  for (let start = 0; start < work.jobs; start += SEED_BATCH) {
    const count = Math.min(SEED_BATCH, work.jobs - start);
    await insert(Array.from({ length: count }, (_, index) => start + index));
  }
}

async function resume({ workers, batch }: RivalSetting): Promise<void> {
  const options = {
    batchSize: batch,
    localConcurrency: workers,
    burstWhenBatchFull: true,
    transactional: true,
    pollingIntervalSeconds: POLLING_INTERVAL_S_MIN,
  } as const;
  await boss.work<{ job: number }, void, typeof options>(
    QUEUE,
    options,
    async (jobs, transaction) => {
      await Promise.all(jobs.map(({ data }) => poll(data.job)));
      await insert(
        jobs.map(({ data }) => data.job),
        { db: transaction },
      );
    },
  );
}

async function pause(): Promise<void> {
  await boss.offWork(QUEUE, { wait: true });
}

async function insert(jobs: readonly number[], options: ConnectionOptions = {}): Promise<void> {
  await boss.insert(
    QUEUE,
    jobs.map((job) => ({ data: { job } })),
    options,
  );
}
