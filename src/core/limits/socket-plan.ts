/** How many sockets each use may have open at once. */
export interface SocketPlan {
  readonly upstream: number;
  readonly callback: number;
  /** Connections of clients of the API. */
  readonly listener: number;
}

/** Files, the database, lookups of names, and what other libraries open. */
const RESERVE = 256;
const EACH_WAY_MAX = 4_096;
const LISTENER_MAX = 20_000;
const EACH_MIN = 16;

/**
 * Divides what the process may have open: half for the listener, a quarter for each way out, after a
 * reserve. So neither many clients nor hanging origins keep the process from opening a file.
 * @param openFilesMax the limit on open files; Infinity where there is none
 */
export function planSockets(openFilesMax: number): SocketPlan {
  const available = Math.max(0, openFilesMax - RESERVE);
  const share = (part: number, most: number): number =>
    Math.min(most, Math.max(EACH_MIN, Math.floor(available * part)));
  const eachWay = share(1 / 4, EACH_WAY_MAX);
  return { upstream: eachWay, callback: eachWay, listener: share(1 / 2, LISTENER_MAX) };
}
