import type { Log } from "./log.ts";

/**
 * The program can't start until a person changes something, which the message explains. The place
 * in the code is of no use to that person, so it is reported without a stack.
 */
export class StartRefusedError extends Error {
  override readonly name: string = "StartRefusedError";
}

/** The message of the one line that is logged. */
export const LAST_RESORT = "an unexpected error, handled nowhere: exiting";

/**
 * Ends the process when an error is thrown outside of every promise, or a rejection is not handled.
 * Everything accepted is in the database, and the next start continues with it; a process that went
 * on would be in an unknown state. Each such error is a bug: failures caused by a peer are handled
 * where they happen.
 */
export function exitOnUnexpectedError(log: Log): void {
  process.on("uncaughtException", (err, origin) => {
    log.fatal({ err, origin }, LAST_RESORT);
    process.exit(1);
  });
}

/**
 * Tolerates a log or banner that can't be written: without a listener, a closed pipe or a full disk
 * behind standard output or error would end the process.
 */
export function surviveLostOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}
