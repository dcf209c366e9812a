import type { Clock } from "../runtime/clock.ts";
import type { SigningKey } from "./sign-callback.ts";

/** A rotated secret is signed with this soon on nodes that were not told. */
const FRESH_FOR_MS = 2_000;
const PROJECTS_MAX = 10_000;

export interface ProjectKey {
  readonly signing: SigningKey;
  /** Null for a current one; a replaced one signs along until then. */
  readonly expiresAtMs: number | null;
}

interface Entry {
  readonly keys: Promise<readonly ProjectKey[]>;
  readonly loadedAtMs: number;
}

/** The keys that each project signs with, read once for many callbacks. */
export class SigningKeys {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #load: (projectId: string) => Promise<readonly ProjectKey[]>;

  constructor(clock: Clock, load: (projectId: string) => Promise<readonly ProjectKey[]>) {
    this.#clock = clock;
    this.#load = load;
  }

  /** Those that sign now, newest first. Rejects when they can't be read; the next call tries again. */
  async of(projectId: string): Promise<readonly SigningKey[]> {
    const nowMs = this.#clock.now();
    const keys = await this.#read(projectId, nowMs);
    return keys
      .filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > nowMs)
      .map(({ signing }) => signing);
  }

  /** Reads the project's keys anew: they were changed just now. */
  forget(projectId: string): void {
    this.#entries.delete(projectId);
  }

  #read(projectId: string, nowMs: number): Promise<readonly ProjectKey[]> {
    const known = this.#entries.get(projectId);
    if (known !== undefined && nowMs - known.loadedAtMs < FRESH_FOR_MS) return known.keys;
    const keys = this.#load(projectId);
    if (this.#entries.size >= PROJECTS_MAX) this.#entries.clear();
    this.#entries.set(projectId, { keys, loadedAtMs: nowMs });
    keys.catch(() => this.#entries.delete(projectId));
    return keys;
  }
}
