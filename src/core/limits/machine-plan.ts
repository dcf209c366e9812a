const MIB = 2 ** 20;

/** Memory that foreign bytes may take, in bytes. Each bound holds for the whole process. */
export interface MemoryPlan {
  /** Bodies of large answers of upstreams, from their first bytes until they are read. */
  readonly largeAnswersBytesMax: number;
  /** One answer, parsed. */
  readonly parsedAnswerBytesMax: number;
  /** The heap of the thread that parses large answers. */
  readonly readerHeapBytesMax: number;
  /** Large request bodies with what they are parsed to, until they are answered. */
  readonly requestBodiesBytesMax: number;
  /** Large answers to submissions that are held until their subscription is stored. */
  readonly heldAnswersBytesMax: number;
}

/**
 * Divides what the machine has. On 1 GiB, foreign bytes take about half of it at worst; the rest is
 * for the program, its jobs and a database beside it. Beyond 4 GiB nothing needs more.
 * @param machineBytes memory of the machine or container
 */
export function planMemory(machineBytes: number): MemoryPlan {
  const share = (part: number, mibMin: number, mibMax: number): number =>
    Math.min(Math.max(Math.floor(machineBytes * part), mibMin * MIB), mibMax * MIB);
  const parsedAnswerBytesMax = share(1 / 5, 32, 768);
  return {
    largeAnswersBytesMax: share(1 / 8, 32, 256),
    parsedAnswerBytesMax,
    // The weight of a text is an estimate; a thread that exceeds it this far is ended.
    readerHeapBytesMax: parsedAnswerBytesMax * 1.5,
    requestBodiesBytesMax: share(3 / 16, 64, 768),
    heldAnswersBytesMax: share(1 / 16, 16, 128),
  };
}

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
