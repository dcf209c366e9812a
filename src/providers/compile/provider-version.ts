import type { Provider } from "./provider.ts";

/** A provider as it can be named, and its origin. */
export interface ProviderVersion {
  readonly name: string;
  readonly provider: Provider;
  /** The definition as its author wrote it, defaults left out: JSON. */
  readonly written: object;
  readonly source: "built_in" | "file" | "project";
  /** Null for a built-in one, which changes only with the program. */
  readonly version: DefinitionVersion | null;
}

export interface DefinitionVersion {
  readonly id: string;
  /** 1 for the first of its name. */
  readonly number: number;
  readonly createdAtMs: number;
}
