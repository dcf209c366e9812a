import { totalmem } from "node:os";

/** Memory of this machine, or of the container (cgroup v1 or v2) if that has less, in bytes. */
export function machineMemoryBytes(): number {
  // 0 or an absurdly large number when there is no limit.
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/**
 * How many files and sockets this process may have open at once; Infinity where the system does not
 * say. Node raises the soft limit to the hard one when it starts.
 */
export function openFilesMax(): number {
  // Reads the limit from a report, without looking up the name of every peer.
  const limit = softLimitOf(withoutNetwork(process.report, () => process.report.getReport()));
  return typeof limit === "number" ? limit : Infinity;
}

/** Node's types lack the property. */
function withoutNetwork<T>(report: object & { excludeNetwork?: boolean }, make: () => T): T {
  const { excludeNetwork = false } = report;
  report.excludeNetwork = true;
  try {
    return make();
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

function softLimitOf(report: object): unknown {
  const limits = partOf(report, "userLimits");
  return partOf(partOf(limits, "open_files"), "soft");
}

function partOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}
