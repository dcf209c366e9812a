import type { AcceptorOptions } from "../../src/intake/acceptor.ts";
import { LiveJobs } from "../../src/intake/live-jobs.ts";
import { TestLimits } from "../support/project-limits.ts";

/** Options of an acceptor that accepts any number of jobs. */
export const noLimit: Pick<AcceptorOptions, "health" | "liveJobs" | "limits" | "usage"> = {
  health: { requireWritable: () => undefined },
  liveJobs: new LiveJobs({ jobsByProject: new Map() }),
  limits: new TestLimits({ live_jobs: Infinity }),
  usage: { reached: () => null, accepted: () => undefined },
};
