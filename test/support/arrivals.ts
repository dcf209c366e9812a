/** Only ends what never comes: a machine that does other work takes several times as long. */
const TIMEOUT_MS = 60_000;

/** Things that arrive one by one at a server of a test, which waits for them instead of sleeping. */
export class Arrivals<Item> {
  readonly all: Item[] = [];
  readonly #what: string;
  readonly #watchers = new Set<() => void>();

  /** @param what names the things in the error of a wait that took too long */
  constructor(what: string) {
    this.#what = what;
  }

  push(item: Item): void {
    this.all.push(item);
    for (const look of this.#watchers) look();
  }

  matching(matches: (item: Item) => boolean): Item[] {
    return this.all.filter((item) => matches(item));
  }

  /** The first `count` that match, as soon as there are so many. */
  async first(count: number, matches: (item: Item) => boolean = () => true): Promise<Item[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Item[]>();
    const look = (): void => {
      const found = this.matching(matches);
      if (found.length >= count) resolve(found.slice(0, count));
    };
    const timer = setTimeout(() => {
      const found = this.matching(matches).length;
      reject(new Error(`${found} of ${count} ${this.#what} came within ${TIMEOUT_MS} ms`));
    }, TIMEOUT_MS);
    this.#watchers.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }
}
