import { totalmem } from "node:os";

/** Memory of this machine, or of the container (cgroup v1 or v2) if that has less, in bytes. */
export function machineMemoryBytes(): number {
  // 0 or an absurdly large number when there is no limit.
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
