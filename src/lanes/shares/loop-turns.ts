import { DECIDED_EVERY_MS, type LoopCrowd } from "./loop-crowd.ts";
import type { SharedResource } from "./shared-resources.ts";
import { Turns } from "./turns.ts";

export interface LoopTurnsOptions {
  readonly resource: SharedResource;
  /** Pieces of work of all projects that begin between two looks at the sockets. */
  readonly begunPerTurnMax: number;
  /** Decides how much of it each project may begin, if less. */
  readonly crowd?: LoopCrowd | undefined;
  /** Pieces of work that each project of a crowd may begin in a millisecond at least. */
  readonly guaranteedPerMs?: number;
  /**
   * For pieces that take long: after a turn, the next waits for as many times as long as it took, while
   * several projects are at work.
   */
  readonly rest?: { readonly crowd: LoopCrowd; readonly factor: number };
}

interface Waiting {
  readonly pieces: number;
  readonly begin: () => void;
}

/** A turn may have been long for other reasons, such as a machine that was suspended. */
const REST_MS_MAX = 1_000;

/**
 * Shares the event loop among projects. Only a few pieces of work begin in each turn of the loop; the
 * others wait, and projects take turns. So however many requests of one project come at once, those of
 * another wait for a few of them, and callbacks, polls and answers of the database come in between.
 * Work that comes singly never waits. While the crowd has several projects at work, a turn takes some
 * milliseconds, in which the loop can be idle, and each project begins only as much as the crowd allows.
 */
export class LoopTurns {
  readonly #options: LoopTurnsOptions;
  readonly #waiting: Turns<Waiting>;
  /** In this turn, by project; kept only in a crowd. */
  readonly #begunBy = new Map<string, number>();
  #begun = 0;
  /** Null when the crowd does not limit this turn. */
  #eachMax: number | null = null;
  #isScheduled = false;
  #beganAtMs = 0;

  constructor(options: LoopTurnsOptions) {
    this.#options = options;
    this.#waiting = new Turns(options.resource);
  }

  /** How much work waits for its turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Begins work of the project: null when it may begin now, else its turn to wait for.
   * @param pieces as many as it is worth. It begins in any turn in which one may, and uses up the part of the others.
   */
  begin(projectId: string, pieces = 1): Promise<void> | null {
    this.#options.crowd?.note(projectId);
    this.#schedule();
    if (this.#mayBegin(projectId)) {
      this.#count(projectId, pieces);
      return null;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(projectId, { pieces, begin: resolve });
    return promise;
  }

  #mayBegin(projectId: string): boolean {
    if (this.#begun >= this.#options.begunPerTurnMax) return false;
    // In a crowd it need not wait for others that have begun their part of this turn.
    if (this.#eachMax === null) return this.#waiting.isEmpty;
    return this.#waiting.waiting(projectId) === 0 && this.#hasPart(projectId, this.#eachMax);
  }

  #hasPart(projectId: string, eachMax: number): boolean {
    return (this.#begunBy.get(projectId) ?? 0) < eachMax;
  }

  #count(projectId: string, pieces: number): void {
    this.#begun += pieces;
    if (this.#eachMax === null) return;
    this.#begunBy.set(projectId, (this.#begunBy.get(projectId) ?? 0) + pieces);
  }

  /** Ends this turn as soon as the loop has looked at the sockets, or later in a crowd. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const { crowd, rest, guaranteedPerMs = 0 } = this.#options;
    if (rest !== undefined) this.#beganAtMs = rest.crowd.nowMs();
    this.#begun = 0;
    this.#begunBy.clear();
    this.#eachMax = crowd?.isCrowded === true ? crowd.decide(guaranteedPerMs) : null;
    if (this.#eachMax === null) setImmediate(this.#endTurn);
    else setTimeout(this.#beginNext, DECIDED_EVERY_MS);
  }

  readonly #endTurn = (): void => {
    const restMs = this.#restMs();
    if (restMs < 1) this.#beginNext();
    else setTimeout(this.#beginNext, restMs);
  };

  #restMs(): number {
    const { rest } = this.#options;
    if (rest?.crowd.isCrowded !== true) return 0;
    return Math.min(REST_MS_MAX, (rest.crowd.nowMs() - this.#beganAtMs) * rest.factor);
  }

  readonly #beginNext = (): void => {
    this.#isScheduled = false;
    if (this.#waiting.isEmpty) return;
    this.#schedule();
    while (this.#begun < this.#options.begunPerTurnMax) {
      const [projectId] = this.#waiting.groups;
      if (projectId === undefined) return;
      // Projects take turns, so the others have begun their part too.
      if (this.#eachMax !== null && !this.#hasPart(projectId, this.#eachMax)) return;
      const next = this.#waiting.takeFrom(projectId);
      this.#count(projectId, next?.pieces ?? 0);
      next?.begin();
    }
  };
}
