import type { Clock } from "../runtime/clock.ts";

/** A rotated secret is signed with this soon. */
const FRESH_FOR_MS = 2_000;
const PROJECTS_MAX = 10_000;

interface Entry {
  readonly keys: Promise<readonly Buffer[]>;
  readonly loadedAtMs: number;
}

/** The keys that each project signs with, read once for many callbacks. */
export class SigningKeys {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #load: (projectId: string) => Promise<readonly Buffer[]>;

  constructor(clock: Clock, load: (projectId: string) => Promise<readonly Buffer[]>) {
    this.#clock = clock;
    this.#load = load;
  }

  /** Newest first. Rejects when they can't be read; the next call tries again. */
  of(projectId: string): Promise<readonly Buffer[]> {
    const nowMs = this.#clock.now();
    const known = this.#entries.get(projectId);
    if (known !== undefined && nowMs - known.loadedAtMs < FRESH_FOR_MS) return known.keys;
    const keys = this.#load(projectId);
    if (this.#entries.size >= PROJECTS_MAX) this.#entries.clear();
    this.#entries.set(projectId, { keys, loadedAtMs: nowMs });
    keys.catch(() => this.#entries.delete(projectId));
    return keys;
  }
}
