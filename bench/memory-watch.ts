import { rssBytesOf } from "./process-facts.ts";

const LOOK_INTERVAL_MS = 20;

/** Watches a process's memory. `stop` returns by how many bytes it has grown at most. */
export function watchMemory(pid: number): { stop(): number } {
  const look = (): number => rssBytesOf(pid) ?? Number.NaN;
  const before = look();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, look());
  }, LOOK_INTERVAL_MS);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      return most - before;
    },
  };
}
