import type { JobProviders } from "../../src/polling/upstream.ts";
import { builtInProviders } from "../../src/providers/catalogue.ts";
import type { KnownProvider } from "../../src/providers/known-provider.ts";

/** The built-in providers, as the engine and the API are given them. */
export function builtInOnly(): JobProviders & {
  find(projectId: string, name: string): KnownProvider | null;
  findFresh(projectId: string, name: string): Promise<KnownProvider | null>;
  list(projectId: string): KnownProvider[];
  refresh(): Promise<void>;
} {
  const providers = builtInProviders();
  const known = new Map(
    [...providers].map(([name, provider]) => [
      name,
      { provider, source: "built_in" as const, version: null },
    ]),
  );
  const find = (_projectId: string, name: string) => known.get(name) ?? null;
  return {
    find,
    findFresh: async (projectId, name) => find(projectId, name),
    list: () => [...known.values()],
    refresh: () => Promise.resolve(),
    current: (_projectId, name) => providers.get(name) ?? null,
    ofJob: (name) => providers.get(name) ?? null,
  };
}
