import { hash, randomBytes } from "node:crypto";
import type { Clock } from "../../runtime/clock.ts";

const TTL_MS = 15 * 60_000;
const LINKS_MAX = 16;
const TOKEN_BYTES = 24;

/** Links that sign in once, within minutes, and on this node only: in memory, by the hash of their tokens. */
export class OneTimeLinks {
  readonly #clock: Clock;
  readonly #links = new Map<
    string,
    {
      readonly keyHash: string;
      readonly expiresAtMs: number;
    }
  >();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param keyHash of the API key that it signs in with
   * @returns the token of the link
   */
  issue(keyHash: string): string {
    for (const oldest of this.#links.keys()) {
      if (this.#links.size < LINKS_MAX) break;
      this.#links.delete(oldest);
    }
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    this.#links.set(nameOf(token), { keyHash, expiresAtMs: this.#clock.monotonic() + TTL_MS });
    return token;
  }

  /** The hash of the key that it signs in with; null when it was used, is too old, or never was. */
  use(token: string): string | null {
    const name = nameOf(token);
    const link = this.#links.get(name);
    this.#links.delete(name);
    return link !== undefined && link.expiresAtMs > this.#clock.monotonic() ? link.keyHash : null;
  }
}

function nameOf(token: string): string {
  return hash("sha256", token, "hex");
}
