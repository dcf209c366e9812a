import type { AcceptorPorts } from "../../src/intake/acceptor.ts";
import { LiveJobs } from "../../src/intake/live-jobs.ts";
import { TestLimits } from "../support/project-limits.ts";

/** Of an acceptor that accepts however many jobs there are. */
export const noLimit: Pick<
  AcceptorPorts,
  "liveJobs" | "liveJobsMax" | "limits" | "usage" | "isJobKnown"
> = {
  liveJobs: new LiveJobs({ watched: () => new Map() }),
  liveJobsMax: () => Infinity,
  limits: new TestLimits(),
  usage: { reached: () => null, accepted: () => undefined },
  isJobKnown: () => Promise.resolve(false),
};
