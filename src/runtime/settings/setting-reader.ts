import type { ProjectLimitSetting } from "../../core/limits/project-limits.ts";
import type { SettingKind } from "./setting-kind.ts";
import type { SettingName } from "./settings.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A setting that is wrong or missing. It never contains the value, which may be a secret. */
export interface SettingProblem {
  readonly name: string;
  readonly problem: string;
  /** Values that would be valid. */
  readonly valid: string;
}

/** A documented name. */
type KnownSetting = SettingName | ProjectLimitSetting;

/**
 * Reads settings by name and collects every problem, so that all can be reported together. An empty
 * or blank variable counts as not set.
 */
export class SettingReader {
  readonly problems: SettingProblem[] = [];
  readonly #env: Environment;
  readonly #names = new Set<string>();

  constructor(env: Environment) {
    this.#env = env;
  }

  /** The value, or null when it is not set or wrong. */
  read<T>(name: KnownSetting, kind: SettingKind<T>): T | null {
    this.#names.add(name);
    const text = this.#text(name);
    if (text === "") return null;
    const reading = kind.read(text);
    if ("value" in reading) return reading.value;
    this.problems.push({ name, problem: reading.problem, valid: kind.valid });
    return null;
  }

  /** Like `read`, and it is a problem when the variable is not set. */
  require<T>(name: KnownSetting, kind: SettingKind<T>, why: string): T | null {
    if (!this.isSet(name)) this.problems.push({ name, problem: why, valid: kind.valid });
    return this.read(name, kind);
  }

  isSet(name: KnownSetting): boolean {
    return this.#text(name) !== "";
  }

  /**
   * Variables that start with the prefix but were never read, each with the likeliest real name.
   */
  unknownFields(prefix: string): { readonly name: string; readonly nearest: string | null }[] {
    const known = [...this.#names].filter((name) => name.startsWith(prefix));
    return Object.keys(this.#env)
      .filter(
        (name) => name.startsWith(prefix) && !this.#names.has(name) && this.#text(name) !== "",
      )
      .toSorted()
      .map((name) => ({ name, nearest: nearestTo(name, known) }));
  }

  #text(name: string): string {
    return this.#env[name]?.trim() ?? "";
  }
}

function nearestTo(name: string, known: readonly string[]): string | null {
  const byDistance = known.toSorted((a, b) => editDistance(name, a) - editDistance(name, b));
  return byDistance[0] ?? null;
}

/** Levenshtein distance: how many letters have to be added, dropped or changed. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let index = 0; index < from.length; index += 1) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column += 1) {
      const changed = (row[column - 1] ?? 0) + (to[column - 1] === from[index] ? 0 : 1);
      next.push(Math.min(changed, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
