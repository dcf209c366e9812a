import type { SharedResource } from "./shared-resources.ts";
import { Turns } from "./turns.ts";

/**
 * Shares the event loop among projects. Only a few pieces of work begin in each turn of the loop; the
 * others wait, and projects take turns. So however many requests of one project come at once, those of
 * another wait for a few of them, and callbacks, polls and answers of the database come in between.
 * Work that comes singly never waits.
 */
export class LoopTurns {
  readonly #waiting: Turns<() => void>;
  readonly #begunPerTurnMax: number;
  #begun = 0;
  #isScheduled = false;

  /** @param begunPerTurnMax so many pieces of work begin between two looks at the sockets */
  constructor(resource: SharedResource, begunPerTurnMax: number) {
    this.#waiting = new Turns(resource);
    this.#begunPerTurnMax = begunPerTurnMax;
  }

  /** Begins a piece of work of the project: null when it may begin now, else its turn to wait for. */
  begin(projectId: string): Promise<void> | null {
    this.#schedule();
    if (this.#begun < this.#begunPerTurnMax && this.#waiting.isEmpty) {
      this.#begun += 1;
      return null;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(projectId, resolve);
    return promise;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#beginNext);
  }

  readonly #beginNext = (): void => {
    this.#isScheduled = false;
    this.#begun = 0;
    while (this.#begun < this.#begunPerTurnMax) {
      const begin = this.#waiting.take();
      if (begin === null) return;
      this.#begun += 1;
      begin();
    }
    this.#schedule();
  };
}
