/** One page of a list. */
export interface Page<T> {
  readonly data: readonly T[];
  /** Null on the last page. */
  readonly next_cursor: string | null;
}

/** A list of the API, read page by page as it is gone through with `for await`. */
export class List<T> implements AsyncIterable<T> {
  readonly #read: (cursor: string | null) => Promise<Page<T>>;

  /** @param read one page; null for the first one */
  constructor(read: (cursor: string | null) => Promise<Page<T>>) {
    this.#read = read;
  }

  /** One page, for those who go through a list themselves. */
  page(cursor: string | null = null): Promise<Page<T>> {
    return this.#read(cursor);
  }

  /** The first ones, at most so many. */
  async toArray(itemsMax: number): Promise<T[]> {
    const items: T[] = [];
    if (itemsMax <= 0) return items;
    for await (const item of this) {
      items.push(item);
      if (items.length >= itemsMax) break;
    }
    return items;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (let cursor: string | null = null; ;) {
      const page: Page<T> = await this.#read(cursor);
      yield* page.data;
      if (page.next_cursor === null) return;
      cursor = page.next_cursor;
    }
  }
}
