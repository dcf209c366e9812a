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
