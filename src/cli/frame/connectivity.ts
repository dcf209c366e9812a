import type { RingbackError } from "../../client/ringback.ts";
import { type Output, shown } from "./output.ts";

/** Says once, and loudly, that the gateway is away, and once that it is back. */
export class Connectivity {
  readonly #out: Output;
  readonly #url: string;
  readonly #now: () => number;
  #lostAt: number | null = null;

  /** @param now milliseconds, monotonic */
  constructor(out: Output, url: string, now: () => number) {
    this.#out = out;
    this.#url = url;
    this.#now = now;
  }

  lost(error: RingbackError): void {
    if (this.#lostAt !== null) return;
    this.#lostAt = this.#now();
    const text = `DISCONNECTED from ${this.#url}: ${shown(error.message)}`;
    this.#out.note(this.#out.paintNote(["bold", "red"], text));
    this.#out.note("Trying again until it is back; nothing is lost.");
  }

  back(): void {
    if (this.#lostAt === null) return;
    const seconds = Math.round((this.#now() - this.#lostAt) / 1000);
    this.#lostAt = null;
    this.#out.note(this.#out.paintNote(["bold", "green"], `Connected again after ${seconds} s.`));
  }
}
