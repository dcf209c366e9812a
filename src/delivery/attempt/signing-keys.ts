import type { SignatureScheme } from "../../core/signing.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { SigningKey } from "./sign.ts";
import { SecretBoxError } from "../../runtime/secrets/secret-box.ts";
import { signingKey } from "./sign.ts";

/** How soon nodes that received no notice sign with a rotated secret. */
const FRESH_FOR_MS = 2_000;
const PROJECTS_MAX = 10_000;

export interface ProjectKey {
  readonly signing: SigningKey;
  /** Null for a current one; a replaced one signs along until then, in the database's time. */
  readonly expiresAtMs: number | null;
}

interface Entry {
  readonly keys: Promise<readonly ProjectKey[]>;
  /** By the monotonic clock. */
  readonly untilMs: number;
  /** Those of some schemes, put together once for many callbacks. */
  readonly ofSchemes: Map<readonly SignatureScheme[], Promise<readonly SigningKey[]>>;
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

  /**
   * Those of the schemes that sign now, newest first. Rejects when they can't be read; the next call
   * tries again.
   * @param schemes remembered by identity, so pass the same array each time
   */
  of(projectId: string, schemes: readonly SignatureScheme[]): Promise<readonly SigningKey[]> {
    const nowMs = this.#clock.now();
    const entry = this.#fresh(projectId) ?? this.#read(projectId);
    const known = entry.ofSchemes.get(schemes);
    if (known !== undefined) return known;
    const keys = entry.keys.then((all) =>
      all
        .filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > nowMs)
        .map(({ signing }) => signing)
        .filter(({ scheme }) => schemes.includes(scheme)),
    );
    entry.ofSchemes.set(schemes, keys);
    return keys;
  }

  /** Forgets the project's keys, which have changed; the next callback reads them again. */
  forget(projectId: string): void {
    this.#entries.delete(projectId);
  }

  #fresh(projectId: string): Entry | null {
    const entry = this.#entries.get(projectId);
    return entry !== undefined && this.#clock.monotonic() < entry.untilMs ? entry : null;
  }

  #read(projectId: string): Entry {
    const keys = this.#load(projectId);
    if (this.#entries.size >= PROJECTS_MAX) this.#entries.clear();
    const entry = { keys, untilMs: this.#clock.monotonic() + FRESH_FOR_MS, ofSchemes: new Map() };
    this.#entries.set(projectId, entry);
    keys.catch(() => this.#entries.delete(projectId));
    return entry;
  }
}

/** Why nothing can be signed, and so nothing is sent. */
export interface NoKeys {
  readonly code: "secret_unreadable" | "secret_missing";
  readonly message: string;
}

export const NO_SECRET =
  "The project has no secret of the kind that its callbacks are signed with.";

/** Keys to sign with, one at least. A database that is away rejects. */
export async function readKeys(
  read: () => Promise<readonly SigningKey[]>,
): Promise<readonly SigningKey[] | NoKeys> {
  try {
    const keys = await read();
    if (keys.length > 0) return keys;
    return { code: "secret_missing", message: NO_SECRET };
  } catch (error) {
    if (!(error instanceof SecretBoxError)) throw error;
    return { code: "secret_unreadable", message: error.message };
  }
}

const V1A: readonly SignatureScheme[] = ["v1a"];

/**
 * The keys of a callback that has a secret of its own. It replaces the project's secret, not its
 * signing key.
 * @param open gives the secret, `whsec_…`; asked only if it signs
 * @param projectKeys those of the schemes that the project signs with
 */
export async function keysWithOwnSecret(
  schemes: readonly SignatureScheme[],
  open: () => string,
  projectKeys: (schemes: readonly SignatureScheme[]) => Promise<readonly SigningKey[]>,
): Promise<readonly SigningKey[]> {
  if (!schemes.includes("v1")) return projectKeys(schemes);
  const own = signingKey("v1", open());
  return schemes.includes("v1a") ? [own, ...(await projectKeys(V1A))] : [own];
}
