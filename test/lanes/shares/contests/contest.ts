import type { FairSemaphore } from "../../../../src/lanes/shares/fair-semaphore.ts";
import type { MemoryBudget } from "../../../../src/lanes/shares/memory-budget.ts";

export const LOUD = ["loud 1", "loud 2", "loud 3", "loud 4", "loud 5"];
export const QUIET = "quiet";
export const MIB = 2 ** 20;
/** A competitor gets its share at once, whatever the others have. */
export const AT_ONCE = 0;
/** Each of the others gets at most one more before it. */
export const A_TURN_EACH = LOUD.length;

/** A resource, as those who compete for it see it. */
export interface Contest {
  /** @param granted called when `who` has what it asks for; never when it is refused */
  ask(who: string, granted: () => void): void;
  /** Ends the use that `who` began first; false when there is none. */
  end(who: string): boolean;
  /** Lets something end by itself, or time pass. */
  pass?(): void;
  /** How many requests of others may be granted between a request of the quiet one and its grant. */
  readonly othersMax: number;
  /** How many requests each of the loud ones begins with: more than there is. */
  readonly crowd: number;
  /** How many each of the loud ones may have at once; no limit if left out. */
  readonly heldMax?: number;
  /** Throws when something else is not as it must be. */
  check?(): void;
}

/** The uses that each competitor holds, oldest first. */
export class Held<Use> {
  readonly #uses = new Map<string, Use[]>();

  add(who: string, use: Use): void {
    const uses = this.#uses.get(who);
    if (uses === undefined) this.#uses.set(who, [use]);
    else uses.push(use);
  }

  take(who: string): Use | undefined {
    return this.#uses.get(who)?.shift();
  }
}

/** For what ends by itself. */
export const endsByItself = (): boolean => false;

/** @param heldMax permits of one project */
export function semaphore(turns: FairSemaphore, heldMax: number, crowd = 100): Contest {
  return {
    othersMax: A_TURN_EACH,
    crowd,
    heldMax,
    ask(who, granted) {
      void turns.acquire(who).then((acquisition) => acquisition === "acquired" && granted());
    },
    end(who) {
      if (turns.heldBy(who) === 0) return false;
      turns.release(who);
      return true;
    },
  };
}

export interface Holder {
  readonly projectId: string;
}

/** Loud ones ask for much and for little in turns, the quiet one for little. */
export function memory(budget: MemoryBudget<Holder>, bytesMax: number): Contest {
  let asked = 0;
  const bytes = (who: string): number =>
    bytesMax * (who === QUIET ? 0.1 : ([0.1, 0.45, 0.25][(asked += 1) % 3] ?? 0));
  return { ...memoryOf(budget, bytes), othersMax: A_TURN_EACH };
}

/** Each may hold a few only, so that there is always room for the quiet one. */
export function limitedMemory(
  budget: MemoryBudget<Holder>,
  { bytesEach, heldMax }: { readonly bytesEach: number; readonly heldMax: number },
): Contest {
  return { ...memoryOf(budget, () => bytesEach), othersMax: AT_ONCE, heldMax };
}

function memoryOf(
  budget: MemoryBudget<Holder>,
  bytesFor: (who: string) => number,
): Omit<Contest, "othersMax"> {
  const held = new Held<Holder>();
  return {
    crowd: 20,
    ask(projectId, granted) {
      const holder = { projectId };
      budget.enter(holder, bytesFor(projectId), () => {
        held.add(projectId, holder);
        granted();
      });
    },
    end(who) {
      const holder = held.take(who);
      if (holder === undefined) return false;
      budget.leave(holder);
      return true;
    },
  };
}
