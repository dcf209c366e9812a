import type { Database } from "../../../../src/store/db/database.ts";

/** A database that runs nothing, and answers when it is told to. */
export class SlowDatabase implements Database {
  /** The rows that the next transactions return. */
  transactionRows: readonly unknown[] = [[], []];
  readonly #answers: (() => void)[] = [];

  run<T>(): Promise<T> {
    return this.#answerWith<T>([]);
  }

  transaction<T>(): Promise<T> {
    return this.#answerWith<T>(this.transactionRows);
  }

  answerOldest(): void {
    this.#answers.shift()?.();
  }

  #answerWith<T>(rows: readonly unknown[]): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>();
    this.#answers.push(() => resolve(rows as T));
    return promise;
  }
}
