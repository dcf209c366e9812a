import type { Clock, Timer } from "../runtime/clock.ts";

/** Each holds a part or two in memory while its reader is slow. */
const OPEN_MAX = 200;
/** A reader that takes nothing for so long is gone, or holds up others. */
const STALLED_MS = 30_000;

/**
 * Answers that are read part by part while they are sent, so that their size does not matter: a
 * part is read when the one before it has left. Bounded in number and in patience.
 */
export class PagedBodies {
  readonly #clock: Clock;
  #open = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isFull(): boolean {
    return this.#open >= OPEN_MAX;
  }

  /**
   * @param bytes of all parts together, as they are announced to the reader
   * @param read the part of this number, from 1 on, or null when it is not there
   */
  open(
    bytes: number,
    read: (number: number) => Promise<Uint8Array | null>,
  ): ReadableStream<Uint8Array> {
    let number = 0;
    let bytesLeft = bytes;
    let stall: Timer | null = null;
    let isOpen = true;
    this.#open += 1;
    const over = (): void => {
      stall?.cancel();
      if (isOpen) this.#open -= 1;
      isOpen = false;
    };
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          stall?.cancel();
          if (bytesLeft <= 0) {
            over();
            controller.close();
            return;
          }
          number += 1;
          try {
            const part = await read(number);
            if (!isOpen) return;
            // Removed meanwhile; a reader that is not told so waits for the rest.
            if (part === null) throw new Error("The rest of the result is gone.");
            bytesLeft -= part.length;
            controller.enqueue(part);
            stall = this.#clock.setTimer(STALLED_MS, () => {
              over();
              controller.error(new Error("The reader takes nothing any more."));
            });
          } catch (error) {
            over();
            throw error;
          }
        },
        cancel: over,
      },
      // Nothing is read ahead.
      { highWaterMark: 0 },
    );
  }
}
