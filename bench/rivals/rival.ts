/**
 * The obvious alternative to Ringback: a worker on a job queue in Postgres, in which each upstream job
 * is a job of the queue that polls once and puts itself back. Each rival is a program of its own in
 * this folder and obeys these commands.
 */
export interface RivalCommands extends Readonly<Record<string, (input: never) => Promise<void>>> {
  /** Sets up the database and puts all jobs into the queue. */
  readonly prepare: (work: RivalWork) => Promise<void>;
  /** Works until it is told to pause. */
  readonly resume: (setting: RivalSetting) => Promise<void>;
  readonly pause: (input: undefined) => Promise<void>;
}

export interface RivalWork {
  readonly databaseUrl: string;
  readonly origin: string;
  readonly jobs: number;
}

/** The settings that a rival's documentation says to tune. They bound how many polls are in flight. */
export interface RivalSetting {
  readonly workers: number;
  /** Jobs taken from the database at once, by each worker or for all. */
  readonly batch: number;
}

export interface Rival {
  readonly name: string;
  /** As figures call it. */
  readonly prefix: string;
  /** Relative to `bench`. */
  readonly program: string;
  /** Each is measured and the best is kept. A quick run tries only the first, which won in full runs. */
  readonly settings: readonly [RivalSetting, ...RivalSetting[]];
}

export const RIVALS: readonly Rival[] = [
  {
    name: "pg-boss",
    prefix: "pg_boss",
    program: "rivals/pg-boss.ts",
    settings: [
      { workers: 2, batch: 1000 },
      { workers: 2, batch: 2500 },
      { workers: 3, batch: 500 },
      { workers: 4, batch: 1000 },
      { workers: 4, batch: 250 },
      { workers: 8, batch: 250 },
    ],
  },
  {
    name: "graphile-worker",
    prefix: "graphile_worker",
    program: "rivals/graphile-worker.ts",
    settings: [
      { workers: 1024, batch: 1025 },
      { workers: 1024, batch: 4000 },
      { workers: 512, batch: 513 },
      { workers: 512, batch: 2000 },
      { workers: 128, batch: 500 },
      { workers: 24, batch: 500 },
    ],
  },
];
