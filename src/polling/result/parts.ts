import { createHash } from "node:crypto";
import type { ResponseSink } from "../../outbound/exchange/request-outcome.ts";

const PART_BYTES_MIN = 512 * 1024;

/** Gathers what comes into parts and stores each before more is taken. */
export class DownloadParts implements ResponseSink {
  readonly #store: (number: number, bytes: Buffer) => Promise<void>;
  readonly #hash = createHash("sha256");
  #chunks: Buffer[] = [];
  #gathered = 0;
  #count = 0;
  #bytes = 0;

  /** @param store gets the parts one after the other, numbered from 1 */
  constructor(store: (number: number, bytes: Buffer) => Promise<void>) {
    this.#store = store;
  }

  /** Parts stored so far, or being stored. */
  get count(): number {
    return this.#count;
  }

  /** Taken so far. */
  get bytes(): number {
    return this.#bytes;
  }

  take(chunk: Buffer): Promise<void> | null {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    // A copy: a piece of the socket's buffer would keep all of it.
    this.#chunks.push(Buffer.from(chunk));
    this.#gathered += chunk.length;
    return this.#gathered < PART_BYTES_MIN ? null : this.#flush();
  }

  /** Stores what is left. An empty result has one empty part. */
  async end(): Promise<void> {
    if (this.#gathered > 0 || this.#count === 0) await this.#flush();
  }

  /** In hex, of all that was taken; once. */
  sha256(): string {
    return this.#hash.digest("hex");
  }

  #flush(): Promise<void> {
    const part = Buffer.concat(this.#chunks, this.#gathered);
    this.#chunks = [];
    this.#gathered = 0;
    this.#count += 1;
    return this.#store(this.#count, part);
  }
}
