import { constants, openSync } from "node:fs";
import { isatty } from "node:tty";
import { destination } from "pino";
import type { DestinationStream } from "pino";

/** Characters kept while they can't be written; further lines are dropped. */
const UNWRITTEN_CHARACTERS_MAX = 1_000_000;
const RETRY_MS = 100;
/** How often an exit tries to write what is left. */
const LAST_TRIES_MAX = 10;

/**
 * Standard output for the log. A full disk or a closed pipe loses lines: without a listener, every
 * call that logs would throw. A full pipe or a stopped terminal is not waited for, since everything
 * else would wait too: lines are kept, written when there is room, and dropped beyond a limit.
 * @param onDropped is told how many lines were, once there is room again
 */
export function standardOutput(onDropped: (lines: number) => void): DestinationStream {
  const output = destination({
    fd: outputDescriptor(),
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

/**
 * A terminal is opened once more, not to block: one that is stopped (Ctrl-S), or whose connection is silent,
 * takes nothing. Descriptor 1 itself is shared with the shell, which expects it to block.
 */
function outputDescriptor(): number {
  if (!isatty(1)) return 1;
  try {
    // On macOS the name of a descriptor only duplicates it.
    const name = process.platform === "darwin" ? "/dev/tty" : "/dev/stdout";
    return openSync(name, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // It belongs to another user.
    return 1;
  }
}

/** Blocks the process: nothing else happens during an exit. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
