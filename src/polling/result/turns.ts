/** For whom something is fetched. */
export interface FetchParty {
  readonly projectId: string;
  readonly connectionId: string;
}

/** How much may be fetched at once. */
export interface FetchLimits {
  readonly perConnection: number;
  readonly perProject: number;
  readonly inAll: number;
}

interface Waiting {
  readonly party: FetchParty;
  /** In the order they came. */
  readonly begins: Set<() => void>;
}

/**
 * Who may fetch next. A download takes as long as whoever sends it likes, up to its time limit; so
 * a connection, and a project with all of its connections, can hold only a part of what there is,
 * and connections take turns for the rest.
 */
export class FetchTurns {
  readonly #limits: FetchLimits;
  /** How many are under way, by id of connection and of project. */
  readonly #underWay = new Map<string, number>();
  /** By connection, in the order of their turns. */
  readonly #waiting = new Map<string, Waiting>();
  #total = 0;

  constructor(limits: FetchLimits) {
    this.#limits = limits;
  }

  /** Resolves when it is the party's turn; `leave` when it is over. */
  enter(party: FetchParty): Promise<void> {
    const known = this.#waiting.get(party.connectionId);
    const waiting = known ?? { party, begins: new Set() };
    if (known === undefined) this.#waiting.set(party.connectionId, waiting);
    const turn = new Promise<void>((resolve) => void waiting.begins.add(resolve));
    this.#admit();
    return turn;
  }

  leave(party: FetchParty): void {
    this.#count(party, -1);
    this.#admit();
  }

  /** Lets in all that wait: they are to see that there is nothing to do any more. */
  letAllIn(): void {
    for (const waiting of this.#waiting.values())
      while (waiting.begins.size > 0) this.#letIn(waiting);
  }

  #admit(): void {
    for (let next = this.#next(); next !== null; next = this.#next()) this.#letIn(next);
  }

  #next(): Waiting | null {
    if (this.#total >= this.#limits.inAll) return null;
    for (const waiting of this.#waiting.values()) if (this.#hasRoom(waiting.party)) return waiting;
    return null;
  }

  #letIn({ party, begins }: Waiting): void {
    const [begin] = begins;
    if (begin === undefined) return;
    begins.delete(begin);
    this.#waiting.delete(party.connectionId);
    if (begins.size > 0) this.#waiting.set(party.connectionId, { party, begins });
    this.#count(party, 1);
    begin();
  }

  #hasRoom({ connectionId, projectId }: FetchParty): boolean {
    const { perConnection, perProject } = this.#limits;
    return (
      (this.#underWay.get(connectionId) ?? 0) < perConnection &&
      (this.#underWay.get(projectId) ?? 0) < perProject
    );
  }

  #count({ connectionId, projectId }: FetchParty, change: 1 | -1): void {
    this.#total += change;
    for (const id of [connectionId, projectId]) {
      const count = (this.#underWay.get(id) ?? 0) + change;
      if (count === 0) this.#underWay.delete(id);
      else this.#underWay.set(id, count);
    }
  }
}
