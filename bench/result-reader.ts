import { Agent, request } from "undici";

export interface ResultReading {
  readonly results: number;
  readonly bytes: number;
  readonly problem: string | null;
}

/** Downloads results, a few at a time, and keeps nothing but their size. */
export class ResultReader {
  #reading: ResultReading = { results: 0, bytes: 0, problem: null };
  readonly #waiting: string[] = [];
  readonly #headers: Readonly<Record<string, string>>;
  readonly #dispatcher: Agent;
  #idle: number;

  constructor({ apiKey, concurrency }: { readonly apiKey: string; readonly concurrency: number }) {
    this.#headers = { authorization: `Bearer ${apiKey}` };
    this.#dispatcher = new Agent({ connections: concurrency, pipelining: 1 });
    this.#idle = concurrency;
  }

  get reading(): ResultReading {
    return this.#reading;
  }

  read(url: string): void {
    this.#waiting.push(url);
    void this.#readWaiting();
  }

  async #readWaiting(): Promise<void> {
    if (this.#idle === 0) return;
    this.#idle -= 1;
    for (let url = this.#waiting.shift(); url !== undefined; url = this.#waiting.shift()) {
      try {
        const bytes = await this.#bytesOf(url);
        const { results, bytes: before, problem } = this.#reading;
        this.#reading = { results: results + 1, bytes: before + bytes, problem };
      } catch (error) {
        this.#reading = { ...this.#reading, problem: String(error) };
      }
    }
    this.#idle += 1;
  }

  async #bytesOf(url: string): Promise<number> {
    const { statusCode, body } = await request(url, {
      headers: this.#headers,
      dispatcher: this.#dispatcher,
    });
    let bytes = 0;
    for await (const chunk of body) bytes += (chunk as Buffer).length;
    if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}.`);
    return bytes;
  }
}
