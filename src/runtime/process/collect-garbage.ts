import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: ((options?: object) => void) | null = null;

/** V8's own function, which it hands out only to contexts that are made after the flag was set. */
function collector(): (options?: object) => void {
  if (collect !== null) return collect;
  setFlagsFromString("--expose-gc");
  collect = runInNewContext("gc") as (options?: object) => void;
  return collect;
}

/** Collects all garbage of this thread now. */
export function collectGarbage(): void {
  collector()();
}

/** The same, and gives back to the machine what the heap does not need. */
export function shrinkHeap(): void {
  collector()({ type: "major", execution: "sync", flavor: "last-resort" });
}
