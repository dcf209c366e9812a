import type { AcceptorOptions } from "../../src/intake/acceptor.ts";
import { LiveJobs } from "../../src/intake/live-jobs.ts";
import { TestLimits } from "../support/project-limits.ts";

/** Of an acceptor that accepts however many jobs there are. */
export const noLimit: Pick<AcceptorOptions, "health" | "liveJobs" | "limits" | "usage"> = {
  health: { requireWritable: () => undefined },
  liveJobs: new LiveJobs({ jobsByProject: new Map() }),
  limits: new TestLimits({ live_jobs: Infinity }),
  usage: { reached: () => null, accepted: () => undefined },
};
