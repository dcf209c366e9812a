import type { SharedResource } from "./shared-resources.ts";

/**
 * Shares a number of places among projects without anybody waiting: each may have as many as it leaves
 * free, so half of them if it is alone. However many one has, there is a place for one that comes.
 */
export class EqualShares {
  readonly #resource: SharedResource;
  readonly #max: number;
  readonly #takenBy = new Map<string, number>();
  #taken = 0;

  /** @param max places in all, two at least */
  constructor(resource: SharedResource, max: number) {
    this.#resource = resource;
    this.#max = max;
  }

  takenBy(projectId: string): number {
    return this.#takenBy.get(projectId) ?? 0;
  }

  /** Takes a place; false when the project has its share. */
  tryTake(projectId: string): boolean {
    const own = this.takenBy(projectId);
    if (own >= this.#max - this.#taken) return false;
    this.#takenBy.set(projectId, own + 1);
    this.#taken += 1;
    return true;
  }

  giveBack(projectId: string): void {
    const own = this.takenBy(projectId);
    if (own === 0)
      throw new Error(`A place of ${this.#resource} was given back that was not taken.`);
    if (own === 1) this.#takenBy.delete(projectId);
    else this.#takenBy.set(projectId, own - 1);
    this.#taken -= 1;
  }
}
