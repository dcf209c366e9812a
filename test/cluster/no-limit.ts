import type { AcceptorPorts } from "../../src/cluster/acceptor.ts";
import { LiveJobs } from "../../src/cluster/live-jobs.ts";

/** Of an acceptor that accepts however many jobs there are. */
export const noLimit: Pick<AcceptorPorts, "liveJobs" | "liveJobsMax" | "isJobKnown"> = {
  liveJobs: new LiveJobs({ watched: () => new Map() }),
  liveJobsMax: () => Infinity,
  isJobKnown: () => Promise.resolve(false),
};
