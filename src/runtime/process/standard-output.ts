import { destination } from "pino";
import type { DestinationStream } from "pino";

/** Characters kept while they can't be written; further lines are dropped. */
const UNWRITTEN_CHARACTERS_MAX = 1_000_000;
const RETRY_MS = 100;
/** How often an exit tries to write what is left. */
const LAST_TRIES_MAX = 10;

/**
 * Standard output for the log. A full disk or a closed pipe loses lines: without a listener, every
 * call that logs would throw. A full pipe is not waited for, since everything else would wait too:
 * lines are kept, written when there is room, and dropped beyond a limit.
 * @param onDropped is told how many lines were, once there is room again
 */
export function standardOutput(onDropped: (lines: number) => void): DestinationStream {
  const output = destination({
    fd: 1,
    sync: true,
    maxLength: UNWRITTEN_CHARACTERS_MAX,
    // Waiting would block the process.
    retryEAGAIN: () => false,
  });
  let isFull = false;
  let dropped = 0;
  const retry = (): void => {
    isFull = false;
    process.off("exit", tryLast);
    output.write("");
    if (isFull || dropped === 0) return;
    const lines = dropped;
    dropped = 0;
    onDropped(lines);
  };
  const tryLast = (): void => {
    for (let tries = 0; isFull && tries < LAST_TRIES_MAX; tries += 1) {
      pause(RETRY_MS);
      retry();
    }
  };
  output.on("drop", () => (dropped += 1));
  output.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EAGAIN" || isFull) return;
    isFull = true;
    process.on("exit", tryLast);
    setTimeout(retry, RETRY_MS).unref();
  });
  return output;
}

/** Blocks the process: nothing else happens during an exit. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
