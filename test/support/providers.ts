import { ProviderDirectory } from "../../src/polling/upstream/provider-directory.ts";
import type { JobProviders } from "../../src/polling/upstream/upstream.ts";
import { builtInProviders as builtInVersions } from "../../src/providers/catalogue.ts";
import type { Provider, ProviderVersion } from "../../src/providers/compile/provider.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Database } from "../../src/store/db/database.ts";
import { testRuntime } from "./runtime.ts";

/** The built-in providers by name, all compiled. */
export function builtInProviders(): ReadonlyMap<string, Provider> {
  return new Map([...builtInVersions()].map(([name, { provider }]) => [name, provider]));
}

/** The built-in providers alone, as polling finds them. */
export function builtInOnly(): JobProviders {
  const providers = builtInProviders();
  return {
    current: (_projectId, name) => providers.get(name) ?? null,
    ofJob: (name) => providers.get(name) ?? null,
  };
}

/** Providers as the engine keeps them, read again only when somebody asks for what is fresh. */
export function providersOn(
  database: Database,
  clock: Clock,
  {
    files = [],
    onChange = () => undefined,
  }: {
    readonly files?: readonly ProviderVersion[];
    readonly onChange?: (projectId: string, name: string) => void;
  } = {},
): ProviderDirectory {
  const builtIn = builtInVersions();
  return new ProviderDirectory(testRuntime({ clock }), {
    database,
    health: { requireReachable: () => undefined },
    shared: { builtIn, all: [...builtIn.values(), ...files] },
    onChange,
  });
}
