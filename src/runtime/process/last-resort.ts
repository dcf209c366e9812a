import type { Log } from "./log.ts";

/** The message of the one line that is logged. */
export const LAST_RESORT = "an unexpected error, handled nowhere: exiting";

/**
 * Ends the process when an error is thrown outside of every promise, or a rejection is handled
 * nowhere. What was accepted is in the database, and the next start goes on with it; a process
 * that went on itself would be in a state that is not known. This is a bug each time: whatever can
 * fail because of a peer is handled where it happens.
 */
export function exitOnUnexpectedError(log: Log): void {
  process.on("uncaughtException", (err, origin) => {
    log.fatal({ err, origin }, LAST_RESORT);
    process.exit(1);
  });
}

/**
 * Lets a log or banner that can't be written be lost: without a listener, a closed pipe or a full
 * disk behind standard output or error would end the process.
 */
export function surviveLostOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}
